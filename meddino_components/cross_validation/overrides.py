"""Decide which of the typed settings the training gets, and which the evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InputError
from ..near_names import near_name

# keys that this command sets, and the option or the rule that decides them
_SET_HERE = {
    "fold": "all folds are run",
    "n_folds": "give --folds",
    "resume": "a fold that was begun is resumed",
    "skip_existing": "a fold that was begun is resumed",
    "overwrite": "results of an earlier run are kept",
    "model_path": "each fold writes model.pt in its own folder",
    "released_model_path": "each fold writes model.pt in its own folder",
    "run_dir": "each fold has its own folder",
    "bundle_root": "give --bundle",
    "section": "each fold is evaluated on its validation cases",
    "allow_training_cases": "each case is scored by the network that did not see it",
}
# the evaluation takes the network from the weights' record, except for what describes the data set
_OF_DATA = {"dataset_layout", "split"}
_SEPARATOR = "::"


def shared_out(
    overrides: Mapping[str, Any], training: Mapping[str, Any], evaluation: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the overrides of the training and those of the evaluation.

    A configuration gets the keys that it has, so the evaluation also gets ``sw_overlap`` or ``amp``. It does not get
    what the weights record (``roi_size``, ``backbone``, ...), nor nested keys of the network, which the record
    describes.

    Args:
        overrides: values by key, nested keys as ``a::b``.
        training: content of the training's configuration.
        evaluation: content of the evaluation's configuration.

    Raises:
        InputError: a key is set by this command, or neither configuration has it.
    """
    recorded = set(evaluation.get("published", {})) - _OF_DATA
    of_training, of_evaluation = {}, {}
    for key, value in overrides.items():
        top, _, below = key.partition(_SEPARATOR)
        if top in _SET_HERE:
            raise InputError(f"cross_validate sets {top} itself ({_SET_HERE[top]}): leave out --{key}")
        if top not in training and top not in evaluation:
            near = near_name(top, sorted({*training, *evaluation} - set(_SET_HERE)))
            hint = f"did you mean {near}? " if near else ""
            raise InputError(f"no key '{key}': {hint}(docs/settings.md lists the keys)")
        if top in training:
            of_training[key] = value
        if top in evaluation and top not in recorded and not (top == "network_def" and below):
            of_evaluation[key] = value
    return of_training, of_evaluation
