"""What a DICOM SEG says, read frame by frame."""

import numpy as np
import pytest


def labels_of_segmentation(path, affine, shape):
    """[X, Y, Z], put together from the positions of the frames."""
    stored = pytest.importorskip("pydicom").dcmread(path)
    to_voxels = np.linalg.inv(np.diag([-1, -1, 1, 1]) @ affine)
    labels = np.zeros(shape, np.uint8)
    frames = stored.pixel_array.reshape(-1, stored.Rows, stored.Columns)
    for frame, groups in zip(frames, stored.PerFrameFunctionalGroupsSequence, strict=True):
        position = [*map(float, groups.PlanePositionSequence[0].ImagePositionPatient), 1]
        k = round(float((to_voxels @ position)[2]))
        labels[:, :, k][frame.T > 0] = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
    return labels
