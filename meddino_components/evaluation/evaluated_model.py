"""Facts about the evaluated network, for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class EvaluatedModel:
    """The weights that were evaluated, and how they made labels.

    Args:
        weights_sha256: SHA-256 of the weights' file.
        record_id: id of the record inside the weights.
        selection: which checkpoint of its training this is, see `ModelSettings.selection`; None if the weights do not
            say.
        inference: settings by which labels were made.
        members: description of each network if several segmented together, see `member_facts`.
    """

    weights_sha256: str | None = None
    record_id: str | None = None
    selection: Mapping[str, Any] | None = None
    inference: Mapping[str, Any] = field(default_factory=dict)
    members: Sequence[Mapping[str, Any]] | None = None

    def settings(self) -> dict[str, Any]:
        """The checkpoint in words, and the settings of inference."""
        inference = {name: value for name, value in self.inference.items() if not name.startswith("_")}
        if not self.members:
            return {"network": _checkpoint(self.selection), **inference}
        # each network has its own
        inference |= {name: [one[name] for one in self.members] for name in inference if name in self.members[0]}
        checkpoints = [f"{one['model']}: {_checkpoint(one['network'])}" for one in self.members]
        return {"network": f"mean of {len(self.members)} networks; {'; '.join(checkpoints)}", **inference}


def _checkpoint(selection: Mapping[str, Any] | None) -> str:
    selection = selection or {}
    measured = ", ".join(f"{name} {value:.4g}" for name, value in selection.items() if isinstance(value, float))
    if selection.get("kept") == "best":
        return f"best validation of its training ({measured}), after epoch {selection.get('epoch')}"
    if selection.get("kept") == "last":
        return f"end of its training, after epoch {selection.get('epoch')}"
    return "the weights do not say which checkpoint of their training they are"
