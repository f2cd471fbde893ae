"""Versions of the software that decides the numbers, for records of weights and of results."""

from __future__ import annotations

import monai
import numpy as np
import torch

from . import __version__


def software_versions() -> dict[str, str]:
    """Version by name of this project, MONAI, numpy and torch."""
    return {
        "meddino": __version__,
        "monai": str(monai.__version__),
        "numpy": np.__version__,
        "torch": str(torch.__version__),
    }
