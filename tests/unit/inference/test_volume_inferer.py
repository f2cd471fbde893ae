"""VolumeInferer against answers known beforehand and against MONAI's sliding window."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.inferers import sliding_window_inference
from torch import Tensor, nn

from meddino_components.data.volumes.intensity import value_outside
from meddino_components.data.volumes.resampling import ImageResampling, resize_slices
from meddino_components.errors import InputError
from meddino_components.inference import VolumeInferer
from meddino_components.inference.slice_scorer import SliceScorer, gaussian_weights


class Thresholds(nn.Module):
    """Class k where the intensity is nearest to k: the answer for an image of labels is that image."""

    def __init__(self, n_classes: int = 4) -> None:
        super().__init__()
        self.levels = nn.Parameter(torch.arange(n_classes, dtype=torch.float32).view(1, -1, 1, 1))
        self.batches: list[tuple[int, ...]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.batches.append(tuple(x.shape))
        return -((x[:, :1] - self.levels) ** 2)


class ShortOfMemory(Thresholds):
    """Raises as the CPU allocator does when more than two slices come at once."""

    def __init__(self, most: int = 2, message: str = "DefaultCPUAllocator: can't allocate memory: you tried") -> None:
        super().__init__()
        self.most, self.message = most, message

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] > self.most:
            raise RuntimeError(self.message)
        return super().forward(x)


def labels_volume(*size: int, seed: int = 0, n_classes: int = 4) -> Tensor:
    """Blocks of 4 x 4 pixels of random labels as an image [1, 1, H, W, D]."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, n_classes, [-(-size[0] // 4), -(-size[1] // 4), size[2]])
    full = coarse.repeat(4, axis=0).repeat(4, axis=1)[: size[0], : size[1]]
    return torch.from_numpy(full.astype(np.float32))[None, None]


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


WEIGHTS = {"gaussian": gaussian_weights((32, 48)), "constant": torch.ones(32, 48)}


def test_gaussian_weights_are_centred_where_nnunet_has_them() -> None:
    weights = gaussian_weights((64, 96))
    assert weights[32, 48] == weights.max() == 1
    # a standard deviation of an eighth of the side: 8 rows and 12 columns
    assert weights[40, 48] == pytest.approx(np.exp(-0.5), rel=1e-3)
    assert weights[32, 60] == pytest.approx(np.exp(-0.5), rel=1e-3)
    assert weights[24, 36] == pytest.approx(np.exp(-1.0), rel=1e-3)
    assert 0 < weights.min() < 1e-6


@pytest.mark.parametrize("mode", ["gaussian", "constant"])
@pytest.mark.parametrize("size", [(75, 90), (32, 64), (20, 70)])
def test_probabilities_equal_monai_sliding_window_with_the_same_weights(mode: str, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = nn.Conv2d(1, 3, 9, padding=4)  # its zero padding makes each window's answer differ at the edges
    image = torch.rand(1, 1, *size, 3)
    expected = [
        sliding_window_inference(
            image[..., k], (32, 48), 2, network, overlap=0.5, cval=float(image.min()), roi_weight_map=WEIGHTS[mode]
        ) for k in range(3)
    ]  # fmt: skip
    got = np.zeros((3, *size, 3), np.float32)
    result = VolumeInferer(roi_size=(32, 48), mode=mode)(image, network, probabilities=lambda _: got)
    for k, logits in enumerate(expected):
        np.testing.assert_allclose(got[..., k], logits.softmax(1)[0].detach().numpy(), atol=5e-4)  # through float16
        assert torch.equal(result[0, 0, ..., k], logits.argmax(1)[0].to(torch.uint8))


@pytest.mark.parametrize("mode", ["gaussian", "constant"])
def test_scores_equal_monai_sliding_window_with_the_same_weights(mode: str) -> None:
    torch.manual_seed(0)
    network, image = nn.Conv2d(2, 5, 9, padding=4), torch.rand(3, 2, 75, 40)
    scorer = SliceScorer(
        network=network, image_size=(75, 40), roi_size=(32, 48), overlap=0.6, mode=mode, mirror_axes=(),
        device=torch.device("cpu"),
    )  # fmt: skip
    with torch.no_grad():
        expected = sliding_window_inference(image, (32, 48), 4, network, overlap=0.6, roi_weight_map=WEIGHTS[mode])
        torch.testing.assert_close(scorer(image, torch.zeros(2)), expected, atol=1e-5, rtol=0)


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


def test_mirroring_averages_logits_of_all_combinations() -> None:
    """A network that answers by position: under a mirror the position changes, the image does not."""

    class Position(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            rows = torch.arange(x.shape[2]).view(1, 1, -1, 1).expand(x.shape[0], 1, *x.shape[2:])
            columns = torch.arange(x.shape[3]).view(1, 1, 1, -1).expand(x.shape[0], 1, *x.shape[2:])
            return torch.cat([rows + 0.0 * x, columns + 10.0 * x, torch.full_like(x, 1.6)], 1).float()

    image = torch.zeros(1, 1, 4, 8, 1)
    logits = np.zeros((3, 4, 8, 1), np.float32)
    VolumeInferer(roi_size=(4, 8), mirror_axes=(0, 1))(image, Position(), probabilities=lambda _: logits)
    expected = torch.softmax(torch.tensor([1.5, 3.5, 1.6]), 0).numpy()  # mean row, mean column, constant
    np.testing.assert_allclose(logits, np.broadcast_to(expected[:, None, None, None], logits.shape), atol=1e-3)
    VolumeInferer(roi_size=(4, 8), mirror_axes=(0,))(image, Position(), probabilities=lambda _: logits)
    columns = torch.softmax(torch.tensor([[1.5, c, 1.6] for c in range(8)]), 1).numpy()
    np.testing.assert_allclose(logits[:, 2, :, 0], columns.T, atol=1e-3)


def test_mirroring_does_not_write_to_the_networks_buffer() -> None:
    image = labels_volume(16, 16, 2).repeat(1, 2, 1, 1, 1)
    before = image.clone()
    VolumeInferer(roi_size=(16, 16), mirror_axes=(0, 1))(image, nn.Identity())
    assert torch.equal(image, before)


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


@pytest.mark.parametrize("message", ["DefaultCPUAllocator: can't allocate memory", "CUDA error: out of memory"])
def test_out_of_memory_halves_the_batch(message: str) -> None:
    image, network = labels_volume(16, 16, 40), ShortOfMemory(message=message)
    result = VolumeInferer(roi_size=(16, 16), slice_batch_size=8)(image, network)
    assert torch.equal(result, image.to(torch.uint8))
    assert max(b[0] for b in network.batches) == 2


def test_out_of_memory_with_one_slice_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(InputError, match=r"slice 0: out of memory with a single slice.*smaller roi_size"):
        VolumeInferer(roi_size=(16, 16))(labels_volume(16, 16, 3), ShortOfMemory(most=0))


def test_other_errors_of_the_network_pass() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        VolumeInferer(roi_size=(16, 16))(labels_volume(16, 16, 3), ShortOfMemory(0, "shapes cannot be multiplied"))


@pytest.mark.parametrize("k", [0, 3, 37])
def test_not_finite_scores_name_the_slice(k: int) -> None:
    image = labels_volume(16, 16, 40)
    image[0, 0, 3, 5, k] = torch.nan
    with pytest.raises(InputError, match=f"slice {k}:"):
        VolumeInferer(roi_size=(16, 16))(image, Thresholds())


def test_classes_bound_the_slices_in_flight() -> None:
    inferer = VolumeInferer(roi_size=(64, 64), slice_batch_size=16, score_memory_mb=1)
    most = {}
    for n_classes in (4, 16, 64):
        network = Thresholds(n_classes)
        image = labels_volume(64, 64, 33, n_classes=n_classes)
        assert torch.equal(inferer(image, network), image.to(torch.uint8))
        most[n_classes] = max(b[0] for b in network.batches)
    assert most == {4: 16, 16: 4, 64: 1}  # 64 x 64 pixels of float32: 16 KiB a class


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
