"""Volumes on a known grid: reading, intensity, data sets, plans; phantoms, stores, curation, crops; labelled images."""

from .augmentation import KeepBackgroundd, RandBlurd, RandGammad, RandLowResolutiond, RandRotateScaled
from .brats_labels import brats_regions
from .cache_place import default_cache_dir
from .cases import list_cases
from .crops import CropCollate, CropDistortions, MultiCropDataset
from .curation import curate
from .datasets import read_datalist
from .dicom import describe_series, list_series
from .geometry import (
    CANONICAL_AXCODES,
    CheckSameGridd,
    LoadVolumed,
    ResampleInPlaned,
    in_plane_spacing,
)
from .global_batch_sampler import GlobalBatchSampler
from .image_sets import ImageSet, load_picture, read_image_set
from .intensity import INTENSITY_TABLE, NormalizeIntensityByModalityd, stated_fingerprint
from .label_loading import LoadLabeld
from .label_names import AMOS_LABELS, class_names, label_names
from .layouts import find_layout
from .modality import StateModalityd
from .phantoms import write_phantoms
from .plan import plan
from .read_ahead import ReadAhead
from .regions import LabelsToRegionsd, LoadRegionLabelsd, Regions
from .resampling import resize_slices
from .sequences import LoadSequencesd, list_sequence_cases
from .slice_dataset import SliceDataset
from .slice_store import SliceStore
from .volume_cache import VolumeCache

__all__ = [
    "AMOS_LABELS",
    "CANONICAL_AXCODES",
    "INTENSITY_TABLE",
    "CheckSameGridd",
    "CropCollate",
    "CropDistortions",
    "GlobalBatchSampler",
    "ImageSet",
    "KeepBackgroundd",
    "LabelsToRegionsd",
    "LoadLabeld",
    "LoadRegionLabelsd",
    "LoadSequencesd",
    "LoadVolumed",
    "MultiCropDataset",
    "NormalizeIntensityByModalityd",
    "RandBlurd",
    "RandGammad",
    "RandLowResolutiond",
    "RandRotateScaled",
    "ReadAhead",
    "Regions",
    "ResampleInPlaned",
    "SliceDataset",
    "SliceStore",
    "StateModalityd",
    "VolumeCache",
    "brats_regions",
    "class_names",
    "curate",
    "default_cache_dir",
    "describe_series",
    "find_layout",
    "in_plane_spacing",
    "label_names",
    "list_cases",
    "list_sequence_cases",
    "list_series",
    "load_picture",
    "plan",
    "read_datalist",
    "read_image_set",
    "resize_slices",
    "stated_fingerprint",
    "write_phantoms",
]
