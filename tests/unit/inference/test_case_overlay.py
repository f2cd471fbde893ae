"""The overlay shows the channels that are asked for, and regions in colours of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from brats_volumes import brain, labels_of
from matplotlib.image import imread
from monai.data import MetaTensor

from meddino_components.data import brats_regions
from meddino_components.errors import InputError
from meddino_components.inference import WriteCased, case_overlay
from meddino_components.inference.case_overlay import write_case_overlay
from meddino_components.inference.case_pictures import drawn_case, shown_numbers


@pytest.mark.parametrize(("shown", "levels"), [(["flair"], 3), (None, 0), (["t2", "t1"], {"t2": 2, "t1": 0})])
def test_the_channels_that_are_asked_for_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: list[str] | None, levels: int | dict[str, int]
) -> None:
    drawn = {}
    monkeypatch.setattr(case_overlay, "write_overlay", lambda path, **shows: drawn.update(shows))
    channels = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 5, 6, 2)
    affine = torch.diag(torch.tensor([2.0, 3.0, 5.0, 1.0], dtype=torch.float64))
    image = MetaTensor(channels, affine=affine, meta={"original_affine": affine.numpy()})
    numbers = shown_numbers(("t1", "t1ce", "t2", "flair"), shown)
    labels = np.zeros((5, 6, 2), np.uint8)
    case = drawn_case(image, labels, case_id="a", label_names={0: "background", 1: "liver"}, channels=numbers)
    report = {"organs": {"liver": {"label": 1, "volume_ml": 1.5}}}
    write_case_overlay(tmp_path / "a.png", case, report, regions=None, window=(0.0, 1.0), background=None)
    image_drawn = drawn["image"]
    if isinstance(levels, dict):
        assert {name: float(volume.max()) for name, volume in image_drawn.items()} == levels
    else:
        assert (image_drawn == levels).all()
    assert (drawn["organs"], drawn["regions"], drawn["title"]) == ({1: ("liver", 1.5)}, [], "a")
    assert drawn["spacing_mm"] == (2.0, 3.0, 5.0)


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
