"""Accept a volume that was read elsewhere, such as by MONAI Deploy, which bypasses a bundle's own reader."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.utils import SpaceKeys

from ...errors import InputError
from .grid_checks import LPS_TO_RAS, FloatArray, spatial_shape


def volume_in_memory(value: Any, what: str) -> tuple[np.ndarray[Any, Any], FloatArray, str]:
    """Return voxels [X, Y, Z], affine [4, 4] to RAS mm, and the volume's name for messages and outputs.

    Args:
        value: `MetaTensor` [X, Y, Z] or [1, X, Y, Z]; only affine, space and name of its meta are used.
        what: case and key of the volume, for messages.

    Raises:
        InputError: the value is anything else, or has more than one channel.
    """
    if not isinstance(value, MetaTensor):
        kind = type(value).__name__
        lacks = " An array does not contain its grid." if isinstance(value, (np.ndarray, torch.Tensor)) else ""
        raise InputError(
            f"{what} is of type {kind}; expected one path, or an image in memory as a MetaTensor [1, X, Y, Z] with its "
            f"affine.{lacks}"
        )
    voxels = value.detach().as_tensor().cpu().numpy()
    if voxels.ndim == 4 and voxels.shape[0] == 1:
        voxels = voxels[0]
    shape = spatial_shape(voxels.shape, what)
    affine = np.asarray(value.affine.cpu(), dtype=np.float64)
    if str(value.meta.get("space", SpaceKeys.RAS)) == SpaceKeys.LPS:
        affine = LPS_TO_RAS @ affine
    name = value.meta.get("filename_or_obj")
    return voxels.reshape(shape), affine, name if isinstance(name, str) and name else what
