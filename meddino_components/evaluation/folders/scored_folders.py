"""Facts about folders whose label maps were compared, for the report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..evaluated_model import EvaluatedModel
from .structures import Structures


@dataclass(frozen=True, kw_only=True)
class ScoredFolders(EvaluatedModel):
    """Two folders, in place of a network whose predictions were scored.

    Args:
        predictions: folder of predictions.
        references: folder of references.
        structures: what was scored.
    """

    predictions: Path
    references: Path
    structures: Structures

    def settings(self) -> dict[str, Any]:
        """Return the folders, and the structures that only one of them has."""
        others = {
            "only_in_references": self.structures.only_in_references,
            "only_in_predictions": self.structures.only_in_predictions,
        }
        return {
            "predictions": str(self.predictions),
            "references": str(self.references),
            **{name: ", ".join(names) for name, names in others.items() if names},
        }
