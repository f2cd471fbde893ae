"""A post-processing step: a function from the mask of one organ to a better mask."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class PostprocessingStep(ABC):
    """A step of post-processing. A subclass is a frozen dataclass whose fields are its settings.

    Attributes:
        name: name of the step in records, reports and tables.
    """

    name: ClassVar[str]

    @abstractmethod
    def __call__(self, mask: Mask, voxel_ml: float) -> Mask:
        """Return the changed mask; the given one stays as it is.

        Args:
            mask: mask [h, w, d] of one organ or region, cut to the smallest box that holds it and one voxel more,
                except where the scan ends. The axes are in the order of memory, not of the patient.
            voxel_ml: volume of a voxel in ml.
        """

    def plain(self) -> dict[str, Any]:
        """Return the step as JSON: its name and its settings."""
        return {"step": self.name, **asdict(self)}
