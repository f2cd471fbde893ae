"""Read a folder of DICOM files as one checked volume by ITK's GDCM; of the headers only the grid is kept."""

from .headers import is_dicom_file, read_uids
from .listing import describe_series
from .positions import UNEVEN_TOLERANCE, UnevenSlices
from .reading import GantryTilt, SeriesVolume, read_series
from .series import DicomSeries, choose_series, has_dicom_files, list_series

__all__ = [
    "UNEVEN_TOLERANCE",
    "DicomSeries",
    "GantryTilt",
    "SeriesVolume",
    "UnevenSlices",
    "choose_series",
    "describe_series",
    "has_dicom_files",
    "is_dicom_file",
    "list_series",
    "read_series",
    "read_uids",
]
