"""Scores of regions within each other: labels slice by slice, probabilities, padding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from brats_volumes import brain, labels_of
from matplotlib.image import imread
from monai.data import MetaTensor
from torch import Tensor, nn

from meddino_components.data import brats_regions
from meddino_components.errors import InputError
from meddino_components.inference import VolumeInferer, WriteCased
from meddino_components.inference.class_scores import write_regions

REGIONS = brats_regions("brats2021")


def test_the_innermost_region_wins_and_needs_no_outer_one() -> None:
    torch.manual_seed(0)
    scores = torch.randn(3, 3, 9, 7)
    labels = torch.full((3, 9, 7), 9, dtype=torch.uint8)
    assert write_regions(scores, labels, (2, 1, 4)).all()
    whole, core, enhancing = (scores > 0).unbind(1)
    expected = torch.where(enhancing, 4, torch.where(core, 1, torch.where(whole, 2, 0)))
    assert torch.equal(labels.long(), expected)


def test_scores_that_are_no_numbers_are_seen() -> None:
    scores = torch.ones(2, 3, 5, 5)
    scores[1, 0, 3, 3] = torch.nan
    assert write_regions(scores, torch.empty(2, 5, 5, dtype=torch.uint8), (2, 1, 4)).tolist() == [True, False]


class FirstThree(nn.Module):
    """Scores are the first three channels."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        return x[:, :3]


@pytest.mark.parametrize("convention", ["brats2021", "brats2023", "msd"])
def test_volume_to_labels_of_the_convention(convention: str) -> None:
    regions = brats_regions(convention)
    image = torch.randn(1, 4, 10, 12, 5)
    labels = VolumeInferer(roi_size=(16, 16), regions=regions)(image, FirstThree())
    whole, core, enhancing = (image[0, :3] > 0).unbind(0)
    inner = [regions.written[2], regions.written[1], regions.written[0]]
    expected = torch.where(enhancing, inner[0], torch.where(core, inner[1], torch.where(whole, inner[2], 0)))
    assert torch.equal(labels[0, 0].long(), expected)


def test_probabilities_are_sigmoids() -> None:
    image = torch.randn(1, 4, 8, 8, 3)
    got = np.zeros((3, 8, 8, 3), np.float32)
    VolumeInferer(roi_size=(8, 8), regions=REGIONS)(image, FirstThree(), probabilities=lambda n: got[:n])
    np.testing.assert_allclose(got, image[0, :3].sigmoid().numpy(), atol=1e-3)


def test_slices_are_surrounded_by_background() -> None:
    network = FirstThree()
    VolumeInferer(roi_size=(16, 16), regions=REGIONS, background=0.0)(torch.full((1, 4, 8, 8, 1), -2.0), network)
    window = network.seen[0]
    assert (window[..., :4, :] == 0).all()
    assert (window[..., 4:12, 4:12] == -2).all()


def test_a_network_of_other_outputs_is_refused() -> None:
    class Two(FirstThree):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, :2]

    with pytest.raises(InputError, match="returns 2 scores per pixel; expected whole tumour, tumour core, enhancing"):
        VolumeInferer(roi_size=(8, 8), regions=REGIONS)(torch.zeros(1, 4, 8, 8, 1), Two())


def test_written_labels_volumes_and_sheet(tmp_path: Path) -> None:
    regions = brats_regions("brats2023")
    images, tissues = brain(0, (40, 40, 9))
    labels = labels_of(tissues, regions.written[2])
    affine = np.diag([2.0, 2.0, 5.0, 1.0])
    meta = {"original_affine": affine, "spatial_shape": labels.shape}
    channels = np.stack(list(images.values())).astype(np.float32)
    case = {
        "image": MetaTensor(torch.from_numpy(channels), affine=torch.from_numpy(affine), meta=meta),
        "pred": MetaTensor(torch.from_numpy(labels)[None], affine=torch.from_numpy(affine)),
        "case_id": "a",
    }
    settings = {"channel_names": list(images), "shown_channels": ["t1ce", "flair"], "background": 0.0}
    write = WriteCased(output_dir=tmp_path, label_names=dict(regions.label_names), regions=regions, **settings)
    write(case)
    report = (tmp_path / "a.json").read_text(encoding="utf-8")
    core = f'"volume_ml": {np.isin(tissues, (1, 3)).sum() * 0.02:.3f}'.rstrip("0").rstrip(".")
    assert core in report
    page = imread(tmp_path / "a.png")[..., :3]
    # oedema green, core red and enhancing tumour yellow, whatever the year
    for colour in ("5bd75b", "ff5a5f", "ffe119"):
        near = np.abs(page - np.array([int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)])).max(-1) < 0.03
        assert near.sum() > 100, colour
    with pytest.raises(InputError, match="shown_channels names 'dwi'; expected some of t1, t1ce, t2, flair"):
        WriteCased(output_dir=tmp_path, label_names=("a",), **{**settings, "shown_channels": ["dwi"]})
