"""Labels as readers draw them in DICOM: segmentations and structure sets on a series of `volume_files`."""

import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from skimage.measure import find_contours
from volume_files import SERIES_UID

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def write_segmentation(path, masks, series, *, kind="BINARY", flip=False, overlap_ok=True):
    """A DICOM SEG of ``masks`` ({name: bool [X, Y, Z]}) on a `SeriesVolume`; empty slices are left out.

    Args:
        flip: store the slices from the last to the first.
    """
    import highdicom as hd

    sources = [pydicom.dcmread(file) for file in series.series.files]
    frames = np.stack([mask.transpose(2, 1, 0) for mask in masks.values()], axis=-1).astype(np.uint8)
    if flip:
        sources, frames = sources[::-1], frames[::-1]
    code = hd.sr.CodedConcept("113343008", "SCT", "Organ")
    segments = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=name,
            segmented_property_category=code,
            segmented_property_type=code,
            algorithm_type="MANUAL",
        )
        for number, name in enumerate(masks, start=1)
    ]
    for source in sources:
        source.SliceThickness = 1
        for keyword in ("StudyID", "AccessionNumber", "StudyTime", "PatientSex", "ReferringPhysicianName"):
            setattr(source, keyword, source.get(keyword))
    hd.seg.Segmentation(
        source_images=sources,
        pixel_array=frames if kind == "BINARY" else frames * 0.5,
        segmentation_type=kind,
        segment_descriptions=segments,
        series_instance_uid=generate_uid(),
        series_number=7,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="-",
        manufacturer_model_name="-",
        software_versions="-",
        device_serial_number="-",
        omit_empty_frames=True,
    ).save_as(path)
    return path


def write_structure_set(path, masks, affine, *, series_uid=SERIES_UID, shift_mm=0.0):
    """An RTSTRUCT of the outlines of ``masks`` ({name: bool [X, Y, Z]}), holes included.

    Args:
        affine: [4, 4], voxel indices to RAS mm.
        shift_mm: how far all contours lie above their slices.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.481.3"
    meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = generate_uid(), ExplicitVRLittleEndian
    structures = pydicom.Dataset()
    structures.file_meta = meta
    structures.SOPClassUID, structures.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    structures.Modality = "RTSTRUCT"
    series, study, frame = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    series.SeriesInstanceUID = series_uid
    study.RTReferencedSeriesSequence = [series]
    frame.RTReferencedStudySequence = [study]
    structures.ReferencedFrameOfReferenceSequence = [frame]
    structures.StructureSetROISequence, structures.ROIContourSequence = [], []
    to_lps = LPS_TO_RAS @ affine
    for number, (name, mask) in enumerate(masks.items(), start=1):
        roi, drawn = pydicom.Dataset(), pydicom.Dataset()
        roi.ROINumber, roi.ROIName, drawn.ReferencedROINumber = number, name, number
        structures.StructureSetROISequence.append(roi)
        drawn.ContourSequence = []
        for k in range(mask.shape[2]):
            for outline in find_contours(np.pad(mask[..., k], 1).astype(float), 0.5):
                voxels = np.column_stack([outline[:-1] - 1, np.full(len(outline) - 1, k), np.ones(len(outline) - 1)])
                contour = pydicom.Dataset()
                contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", len(voxels)
                points = (voxels @ to_lps.T)[:, :3] + [0, 0, shift_mm]
                contour.ContourData = [f"{value:.3f}" for value in points.ravel()]
                drawn.ContourSequence.append(contour)
        structures.ROIContourSequence.append(drawn)
    structures.save_as(path, enforce_file_format=True)
    return path
