"""The random transforms of ``train.json`` against nnU-Net's in batchgeneratorsv2: how often, how strong, and what for.

Rates and strengths are counted over many draws of both. Then both change one slice by equal parameters, and the largest
difference of a pixel is shown. Run: ``python benchmarks/augmentation_statistics.py``.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from batchgenerators_peer import nnunet_transforms
from common import write_results
from monai.bundle import ConfigParser
from torch import Tensor

CONFIG = Path(__file__).parents[1] / "bundles" / "meddinov3_seg_amos" / "configs" / "train.json"
SIDES = (64, 64)
Draws = Callable[[], tuple[float, ...]]


@dataclass(frozen=True)
class Compared:
    """One transform in both libraries: a call gives the parameters that it drew for a channel, none to change none."""

    name: str
    parameter: str
    ours: Draws
    peer: Draws


def our_transforms() -> dict[str, Any]:
    """Those of the configuration, by the names of `nnunet_transforms`."""
    parser = ConfigParser(ConfigParser.load_config_file(str(CONFIG)))
    parser["roi_size"] = list(SIDES)
    transform = parser.get_parsed_content("train::transform")
    transform.set_random_state(seed=0)
    spatial, intensities, *mirrors = transform.transforms
    names = ("noise", "blur", "brightness", "contrast", "low resolution", "inverted gamma", "gamma")
    found = dict(zip(names, intensities.transforms, strict=True))
    return {"rotation and scale": spatial, **found, "mirror rows": mirrors[0], "mirror columns": mirrors[1]}


def compared(image: Tensor) -> Iterator[Compared]:
    """Every transform with one parameter of it."""
    ours, peers = our_transforms(), nnunet_transforms(SIDES)
    spatial, peer_spatial = ours["rotation and scale"], peers["rotation and scale"]

    def drawn() -> Any:
        spatial.randomize()
        return spatial

    def affine() -> Any:
        found = peer_spatial.get_parameters(image=image)["affine"]
        return np.eye(2) if found is None else found

    def scale_of(matrix: Any) -> float:
        return math.sqrt(np.linalg.det(matrix))

    def only_changed(value: float, unchanged: float) -> tuple[float, ...]:
        return () if abs(value - unchanged) < 1e-9 else (value,)

    def peer_angle() -> tuple[float, ...]:
        matrix = affine()
        return only_changed(math.atan2(matrix[1, 0], matrix[0, 0]), 0.0)

    yield Compared("rotation", "angle", lambda: only_changed(drawn().angle, 0.0), peer_angle)
    yield Compared(
        "scale", "factor", lambda: only_changed(drawn().factor, 1.0), lambda: only_changed(scale_of(affine()), 1.0)
    )
    for name, parameter, of_ours, of_peer in (
        ("noise", "sigma", _our_noise, lambda found: [found["sigmas"]] if found["sigmas"] is not None else []),
        ("blur", "sigma in px", _of_channel, lambda found: [s for pair in found["sigmas"] for s in pair[:1]]),
        ("brightness", "factor", _our_brightness, lambda found: found["multipliers"].tolist()),
        ("contrast", "factor", _our_contrast, lambda found: found["multipliers"].tolist()),
        ("low resolution", "zoom", _of_channel, lambda found: [float(scales[0]) for scales in found["scales"]]),
        ("inverted gamma", "power", _of_channel, lambda found: found["gamma"].tolist()),
        ("gamma", "power", _of_channel, lambda found: found["gamma"].tolist()),
    ):
        yield Compared(name, parameter, _calls(of_ours, ours[name], image), _peer_calls(of_peer, peers[name], image))
    for axis, name in enumerate(("mirror rows", "mirror columns")):
        yield Compared(
            name,
            "",
            _mirrors(ours[name]),
            _peer_mirrors(peers["mirror"], axis),
        )


def _calls(read: Callable[[Any, Tensor], tuple[float, ...]], transform: Any, image: Tensor) -> Draws:
    return lambda: read(transform, image)


def _peer_calls(read: Callable[[Any], Any], transform: Any, image: Tensor) -> Draws:
    def draw() -> tuple[float, ...]:
        if not transform.get_parameters()["apply_transform"]:
            return ()
        return tuple(read(transform.transform.get_parameters(image=image)))

    return draw


def _mirrors(transform: Any) -> Draws:
    def draw() -> tuple[float, ...]:
        transform.randomize(None)
        return (1.0,) * bool(transform._do_transform)

    return draw


def _peer_mirrors(transform: Any, axis: int) -> Draws:
    return lambda: (1.0,) * (axis in transform.get_parameters()["axes"])


def _of_channel(transform: Any, image: Tensor) -> tuple[float, ...]:
    transform.randomize(image)
    return tuple(parameters[0] for parameters in transform.drawn.values())


def _our_noise(transform: Any, image: Tensor) -> tuple[float, ...]:
    transform.randomize(None)
    if not transform._do_transform:
        return ()
    noise = transform.rand_gaussian_noise
    noise.randomize(image)
    return (float(torch.as_tensor(noise.noise).std()),)


def _our_brightness(transform: Any, image: Tensor) -> tuple[float, ...]:
    transform.randomize(None)
    if not transform._do_transform:
        return ()
    transform.scaler.randomize(image)
    return tuple(1 + factor for factor in np.atleast_1d(transform.scaler.factor))


_our_contrast = _our_brightness


def largest_differences(image: Tensor, labels: Tensor) -> dict[str, float]:
    """By transform, after both changed one slice by equal parameters; of labels the share that differs."""
    ours, peers = our_transforms(), nnunet_transforms(SIDES)
    found: dict[str, list[float]] = {}
    spatial, peer = ours["rotation and scale"], peers["rotation and scale"]
    spatial.R, wrong = _Fixed(), 0
    cases = [(0.4, 1.0), (0.0, 1.3), (2.0, 0.8), (-2.5, 1.4)]
    for angle, factor in cases:
        spatial.rotation_probability = peer.p_rotation = float(angle != 0)
        spatial.scale_probability = peer.p_scaling = float(factor != 1)
        spatial.R.values, peer.rotation, peer.scaling = [angle, factor], (angle, angle), (factor, factor)
        mine = spatial({"image": image, "label": labels})
        its = peers["outside"](**peer(image=image.clone(), segmentation=labels.clone()))
        found.setdefault("rotation and scale", []).append(float((mine["image"] - its["image"]).abs().max()))
        wrong += int((mine["label"] != its["segmentation"]).sum())
    found["labels"] = [wrong / (len(cases) * SIDES[0] * SIDES[1])]
    for name, parameters, applied in (
        ("blur", (0.6, 0.9), {"sigmas": [[0.6, 0.9]], "apply_to_channel": torch.tensor([True])}),
        ("blur", (1.0, 0.5), {"sigmas": [[1.0, 0.5]], "apply_to_channel": torch.tensor([True])}),
        ("low resolution", (0.61,), {"scales": torch.tensor([[0.61, 0.61]])}),
        *((name, (power,), _gamma(name, power)) for name in ("inverted gamma", "gamma") for power in (0.7, 1.5)),
    ):
        applied = {"apply_to_channel": torch.tensor([0]), **applied}
        its = peers[name].transform._apply_to_image(image[:1].clone(), **applied)[0]
        found.setdefault(name, []).append(float((ours[name].change(image[0], *parameters) - its).abs().max()))
    for name in ("brightness", "contrast"):
        scaler = ours[name].scaler
        scaler._do_transform, scaler.factor = True, np.array([0.2, -0.2])
        mine = scaler(image, randomize=False)
        factors = torch.tensor([1.2, 0.8])
        applied = {"apply_to_channel": torch.tensor([0, 1]), "multipliers": factors}
        found[name] = [float((mine - peers[name].transform._apply_to_image(image.clone(), **applied)).abs().max())]
    return {name: max(values) for name, values in found.items()}


def _gamma(name: str, power: float) -> dict[str, Tensor]:
    inverted = torch.tensor([name == "inverted gamma"])
    return {"retain_stats": torch.tensor([True]), "invert_image": inverted, "gamma": torch.tensor([power])}


class _Fixed:
    """A generator that gives what it is told."""

    values: list[float]

    def random_sample(self, size: int) -> np.ndarray[Any, Any]:
        return np.full(size, 0.5)

    def uniform(self, low: float, high: float) -> float:
        return self.values[0] if low < 0 else self.values[1]


def example(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two channels and labels of six organs, somewhat larger than the window."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(2, 80, 72, generator=generator)
    organs = torch.randint(0, 6, (1, 10, 9), generator=generator)
    return image, organs.repeat_interleave(8, 1).repeat_interleave(8, 2).to(torch.int16)


def statistics(draw: Draws, n: int) -> tuple[float, list[float]]:
    """Share of calls in which a channel is changed on average, and its parameters."""
    drawn = [value for _ in range(n) for value in draw()]
    return len(drawn) / n, drawn


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--draws", type=int, default=20_000, help="calls of each transform")
    n = arguments.parse_args().draws
    np.random.seed(0)  # noqa: NPY002 (what batchgeneratorsv2 draws from)
    torch.manual_seed(0)
    image, labels = example()
    differences, rows = largest_differences(image, labels), []
    for pair in compared(image[:1]):
        (rate, values), (peer_rate, peer_values) = statistics(pair.ours, n), statistics(pair.peer, n)
        effect = "rotation and scale" if pair.name in ("rotation", "scale") else pair.name
        rows.append(
            {
                "transform": pair.name,
                "rate": f"{rate:.3f}",
                "nnU-Net's": f"{peer_rate:.3f}",
                "parameter": pair.parameter or "-",
                "5 / 50 / 95 %": _quantiles(values) if pair.parameter else "-",
                "nnU-Net's ": _quantiles(peer_values) if pair.parameter else "-",
                "largest difference": f"{differences[effect]:.1e}" if effect in differences else "-",
            }
        )
    write_results(
        "augmentation_statistics",
        rows,
        question="Are slices changed as often, by as much and in the same way as by nnU-Net's default for 2D?",
        settings={"draws": n, "slice": "one channel, random numbers of deviation 1"},
        packages=["batchgeneratorsv2", "monai", "torch"],
        notes=[
            f"Rates of {n} draws of one kind have a standard deviation of at most {0.5 / math.sqrt(n):.4f}.",
            "The largest difference is that of any pixel after both changed the same slice with equal parameters.",
            f"After rotations and scalings {differences['labels']:.2%} of the labels differ: at positions half "
            "way between organs, up to rounding.",
        ],
    )


def _quantiles(values: list[float]) -> str:
    return " / ".join(f"{value:.2f}" for value in np.quantile(values, (0.05, 0.5, 0.95)))


if __name__ == "__main__":
    main()
