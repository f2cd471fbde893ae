"""Probabilities are streamed to a file on the grid of the source."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from inference_support import all_orientations, evaluator, oblique_affine, phantom, reoriented
from monai.data import MetaTensor

from meddino_components.data import list_cases
from meddino_components.inference.probability_file import ProbabilityFile


def test_the_room_is_reserved_and_a_slice_lies_together(tmp_path: Path) -> None:
    # the network sees the axes Y, X, Z of the source
    affine = np.eye(4)[[1, 0, 2, 3]]
    meta = {"original_affine": np.eye(4), "spatial_shape": (30, 20, 10)}
    image = MetaTensor(torch.zeros(1, 20, 30, 10), affine=torch.as_tensor(affine), meta=meta)
    view = ProbabilityFile(path=tmp_path / "a.npy", image=image)(3)
    assert view.shape == (3, 20, 30, 10)
    file = (tmp_path / "a.npy").stat()
    assert file.st_blocks * 512 >= 3 * 30 * 20 * 10 * 2
    view[2, 4, 7, 9] = 0.25
    stored = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert (stored.shape, stored.dtype, stored.flags.f_contiguous) == ((3, 30, 20, 10), np.float16, True)
    assert stored[2, 7, 4, 9] == 0.25
    assert np.count_nonzero(stored) == 1


def test_probabilities_lie_on_the_sources_grid(tmp_path: Path) -> None:
    volume, affine, ornt = phantom(), oblique_affine(), all_orientations()[29]
    nib.save(reoriented(volume, affine, ornt), tmp_path / "a.nii.gz")
    evaluator(list_cases(tmp_path, modality="ct"), tmp_path / "out", probabilities=True).run()
    stored = np.load(tmp_path / "out" / "a.npy", mmap_mode="r")
    source = nib.load(tmp_path / "a.nii.gz").get_fdata()
    assert stored.dtype == np.float16
    logits = -((source[None] - np.arange(4).reshape(-1, 1, 1, 1)) ** 2)
    expected = np.exp(logits) / np.exp(logits).sum(axis=0)
    np.testing.assert_allclose(stored, expected, atol=1e-3)
