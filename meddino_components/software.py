"""Return the versions of software that affects the results, for records of weights and results."""

from __future__ import annotations

import monai
import numpy as np
import torch

from . import __version__


def software_versions() -> dict[str, str]:
    """Return the versions of this project, MONAI, numpy and torch by name."""
    return {
        "meddino": __version__,
        "monai": str(monai.__version__),
        "numpy": np.__version__,
        "torch": str(torch.__version__),
    }
