"""VolumeInferer against answers known beforehand and against MONAI's sliding window."""

from __future__ import annotations

import pytest
import torch
from labels_as_images import Thresholds, labels_volume
from monai.data import MetaTensor
from torch import Tensor, nn

from meddino_components.data.volumes.marked_background import value_outside
from meddino_components.data.volumes.resampling import ImageResampling, resize_slices
from meddino_components.inference import VolumeInferer


def with_spacing(volume: Tensor, *spacing_mm: float) -> MetaTensor:
    return MetaTensor(volume, affine=torch.diag(torch.tensor([*spacing_mm, 1.0], dtype=torch.float64)))


@pytest.mark.parametrize(
    ("size", "roi"),
    [
        ((32, 32, 5), (32, 32)),  # one window
        ((20, 13, 3), (32, 32)),  # smaller than a window
        ((45, 61, 4), (32, 16)),  # windows, nothing divisible
        ((50, 20, 1), (32, 32)),  # one slice, windows along rows, padding along columns
        ((33, 32, 70), (32, 32)),  # several blocks of slices
    ],
)
@pytest.mark.parametrize("mode", ["gaussian", "constant"])
def test_labels_are_those_of_the_image(size: tuple[int, int, int], roi: tuple[int, int], mode: str) -> None:
    image = labels_volume(*size)
    result = VolumeInferer(roi_size=roi, mode=mode)(image, Thresholds())
    assert result.dtype == torch.uint8
    assert torch.equal(result, image.to(torch.uint8))


@pytest.mark.parametrize(("background", "outside"), [(None, 0.0), (-2.0, -2.0)])
def test_padding_is_the_value_that_training_pads_with(background: float | None, outside: float) -> None:
    seen: list[Tensor] = []

    def network(x: Tensor) -> Tensor:
        seen.append(x.clone())
        return x

    image = torch.rand(1, 2, 6, 8, 1) + torch.tensor([-7.0, 3.0]).view(1, 2, 1, 1, 1)
    VolumeInferer(roi_size=(10, 8), background=background)(image, network)
    assert value_outside(background) == outside
    assert (seen[0][0, :, :2] == outside).all()
    assert (seen[0][0, :, -2:] == outside).all()
    assert torch.equal(seen[0][0, :, 2:8], image[0, ..., 0])


@pytest.mark.parametrize("mode", ["bilinear", "cubic"])
def test_in_plane_resampling_is_that_of_training(mode: ImageResampling) -> None:
    image = with_spacing(labels_volume(40, 60, 3), 0.5, 1.0, 10.0)
    network = Thresholds()
    result = VolumeInferer(roi_size=(64, 64), pixdim=(1.0, 0.8), resampling=mode)(image, network)
    assert {b[2:] for b in network.batches} == {(64, 64)}
    slices = resize_slices(image.as_tensor()[0].permute(3, 0, 1, 2), (20, 75), mode)
    logits = resize_slices(-((slices - network.levels.detach()) ** 2), (40, 60))
    expected = logits.argmax(1).permute(1, 2, 0)
    assert (result.as_tensor()[0, 0] == expected).float().mean() > 0.999
    assert (result.as_tensor() == image.as_tensor()).float().mean() > 0.75  # rows were halved
    assert torch.equal(result.affine, image.affine)


def test_thick_slices_of_fine_pixels() -> None:
    image = with_spacing(labels_volume(96, 96, 2).repeat_interleave(4, 2).repeat_interleave(4, 3), 0.3, 0.3, 10.0)
    result = VolumeInferer(roi_size=(128, 128), pixdim=0.6)(image, Thresholds())
    assert (result.as_tensor() == image.as_tensor()).float().mean() > 0.9


def test_plain_tensor_runs_at_its_own_spacing() -> None:
    network = Thresholds()
    VolumeInferer(roi_size=(16, 16), pixdim=3.0)(labels_volume(16, 16, 2), network)
    assert network.batches[0][2:] == (16, 16)


def test_metadata_and_device_of_the_result() -> None:
    image = with_spacing(labels_volume(16, 16, 2), 1, 2, 3)
    image.meta["filename_or_obj"] = "a.nii.gz"
    result = VolumeInferer(roi_size=(16, 16))(image, Thresholds())
    assert isinstance(result, MetaTensor)
    assert result.shape == (1, 1, 16, 16, 2)
    assert result.meta["filename_or_obj"] == "a.nii.gz"
    assert torch.equal(result.affine, image.affine)
    result.add_(1)  # no inference tensor: later transforms may write to it


def test_neighbouring_slices_are_channels_below_itself_above() -> None:
    image = torch.arange(40.0).view(1, 1, 1, 1, 40).expand(1, 1, 8, 8, 40)
    seen: list[Tensor] = []

    def network(x: Tensor) -> Tensor:
        seen.append(x[:, :, 0, 0])
        return torch.cat([x[:, :1], x[:, 1:2]], 1)

    VolumeInferer(roi_size=(8, 8), context_slices=3)(image, network)
    got = torch.cat(seen)
    k = torch.arange(40)
    expected = torch.stack([(k - 1).clamp(min=0), k, (k + 1).clamp(max=39)], 1).float()
    assert torch.equal(got, expected)


def test_bfloat16_autocast_on_cpu_and_flags_restored() -> None:
    types: list[torch.dtype] = []

    class Probe(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 1)
            self.conv.weight.requires_grad_(False)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.conv(x)
            types.append(out.dtype)
            return out

    network = Probe()
    for amp, expected in ((False, torch.float32), (True, torch.bfloat16)):
        types.clear()
        VolumeInferer(roi_size=(16, 16), amp=amp)(labels_volume(16, 16, 3), network)
        assert set(types) == {expected}
    assert [p.requires_grad for p in network.parameters()] == [False, True]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"overlap": 1.0}, "overlap"), ({"mode": "linear"}, "mode"), ({"mirror_axes": (2,)}, "mirror_axes"),
        ({"context_slices": 2}, "context_slices"), ({"pixdim": -1.0}, "pixdim"), ({"slice_batch_size": 0}, "slice_"),
    ],
)  # fmt: skip
def test_wrong_settings(setting: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VolumeInferer(roi_size=(16, 16), **setting)  # type: ignore[arg-type]


def test_wrong_shapes() -> None:
    with pytest.raises(ValueError, match=r"one volume \[1, C, H, W, D\]"):
        VolumeInferer(roi_size=(16, 16))(torch.zeros(2, 1, 16, 16, 2), Thresholds())
    with pytest.raises(ValueError, match="one score per class and pixel"):
        VolumeInferer(roi_size=(16, 16))(torch.zeros(1, 1, 16, 16, 2), nn.MaxPool2d(2))
