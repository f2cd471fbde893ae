"""A scan with organs of known grey at known places, and an encoder that sees nothing but the grey."""

import nibabel as nib
import numpy as np
import torch
import torch.nn.functional as F

from meddino_components.embeddings import FrozenEncoder
from meddino_components.figures import read_scan

PATCH = 4
# HU, and the box on the file's axes X (to the right, RAS), Y (to anterior): 64 x 48 pixels of 2 mm
BODY = (0, slice(8, 56), slice(6, 42))
LIVER = (200, slice(36, 52), slice(16, 32))  # of the right side
SPINE = (600, slice(28, 36), slice(8, 16))
DEPTH = 5


def write_scan(path, *, affine=None, depth=DEPTH):
    voxels = np.full((64, 48, depth), -1000, np.int16)
    for value, x, y in (BODY, LIVER, SPINE):
        voxels[x, y] = value
    voxels[..., 0] = -1000  # the lowest slice is air
    nib.save(nib.Nifti1Image(voxels, np.diag([2.0, 2.0, 5.0, 1.0]) if affine is None else affine), path)
    return path


def planted_slice(tmp_path, index=2):
    return read_scan(write_scan(tmp_path / "scan.nii.gz"), modality="ct").slice(index)


def grey_encoder(*, name="grey", turn=None, **settings):
    """A patch's feature is e_k for the k-th tissue by its mean grey: air, body, liver, spine."""
    edges = (torch.tensor([-500.0, 100.0, 400.0]) - 65.1084213) / 178.0166321

    def encode(images):
        means = F.avg_pool2d(images.mean(1, keepdim=True), PATCH).flatten(1)
        features = F.one_hot(torch.bucketize(means, edges), 4).float()
        features = features if turn is None else features @ turn
        return features.mean(1), features

    return FrozenEncoder(name=name, encode=encode, patch_size=PATCH, digest=name, **settings)
