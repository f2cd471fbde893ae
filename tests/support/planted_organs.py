"""Cases with organs at fixed places, of which intensity tells one."""

import numpy as np
import torch
from monai.data import MetaTensor

SHAPE = (32, 40, 16)


def planted(seed: int, *, scale: int = 1, pad: tuple[int, int] = (0, 0)) -> dict[str, MetaTensor]:
    """Organs at fixed places of a body; air, where the field of view is wider, is -1000. Intensity tells liver only."""
    rng = np.random.default_rng(seed)
    label = np.zeros(SHAPE, np.uint8)
    label[4:20, 4:18, 2:12] = 1
    label[8:24, 24:36, 4:10] = 2
    image = rng.normal(0, 5, SHAPE)
    image[label == 1] += 100
    label, image = (np.kron(x, np.ones((scale,) * 3, x.dtype)) for x in (label, image))
    label = np.pad(label, (pad, pad, (0, 0)))
    image = np.pad(image, (pad, pad, (0, 0)), constant_values=-1000)
    affine = torch.diag(torch.tensor([3.0 / scale] * 3 + [1.0]))
    return {
        "image": MetaTensor(torch.from_numpy(image.astype(np.float32))[None], affine=affine),
        "label": MetaTensor(torch.from_numpy(label)[None], affine=affine),
    }


def dice(prediction: np.ndarray, case: dict[str, MetaTensor], label: int) -> float:
    a, b = prediction == label, case["label"].numpy()[0] == label
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))
