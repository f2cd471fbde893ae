"""Facts about folders whose label maps were compared, for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...wording import counted, first_few
from ..evaluated_model import EvaluatedModel
from .structures import Side, Structures
from .volumes import Pairs

# of names that the report lists
_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class ScoredFolders(EvaluatedModel):
    """Two folders, in place of a network whose predictions were scored.

    Args:
        predictions: the predictions.
        references: the references.
        structures: what was scored.
        pairs: the cases.
        rename: names as the user stated them.
        notes: remarks on cases, which may grow until the report is written.
    """

    predictions: Side
    references: Side
    structures: Structures
    pairs: Pairs
    rename: Mapping[str, str] | None = None
    notes: Sequence[str] = ()

    def settings(self) -> dict[str, Any]:
        """Return the folders, where names are from, and what was left out."""
        left_out = {
            "structures_only_in_references": self.structures.only_in_references,
            "structures_only_in_predictions": self.structures.only_in_predictions,
            "cases_without_prediction": self.pairs.without_prediction,
            "cases_without_reference": self.pairs.without_reference,
        }
        return {
            "predictions": str(Path(self.predictions.folder).absolute()),
            "references": str(Path(self.references.folder).absolute()),
            "names_of_predictions": self.predictions.source,
            "names_of_references": self.references.source,
            **({"rename": dict(self.rename)} if self.rename else {}),
            **{
                what: f"{counted(len(names), what.split('_')[0][:-1])}: {first_few(names, _SHOWN)}"
                for what, names in left_out.items()
                if names
            },
            **({"notes": "; ".join(self.notes)} if self.notes else {}),
        }
