"""Cases that can be scored: labelled ones that a network was not trained on, by the record of its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..checkpoints import WeightsRecord, hash_of_case
from ..errors import InputError

# of these a reader expects that the network has not seen them
_HELD_OUT_SECTIONS = ("validation", "official_validation", "test")


def held_out_cases(
    *,
    cases: Sequence[Mapping[str, Any]],
    record: WeightsRecord | Sequence[WeightsRecord] | None,
    section: str,
    allow_training_cases: bool = False,
) -> Sequence[Mapping[str, Any]]:
    """The cases as they are, once all have labels and none of a held-out section was trained on.

    Args:
        cases: cases to score.
        record: record of the weights, or those of all networks of an ensemble; None states no cases.
        section: section of the data set, see `read_datalist`; ``training`` and ``all_labelled`` are not checked.
        allow_training_cases: score them all the same, as where another data set uses the same ids.

    Raises:
        InputError: names the first case without a label, or that the network was trained on, and the record's fold.
    """
    if unlabelled := [str(case["case_id"]) for case in cases if "label" not in case]:
        raise InputError(
            f"{len(unlabelled)} of {len(cases)} cases of section {section} have no label, the first {unlabelled[0]}: "
            "there is nothing to compare predictions with. Run inference.json (or `segment`) on them, or evaluate a "
            "section that has labels: validation, all_labelled, or official_validation where the data set has it"
        )
    if record is None or allow_training_cases or section not in _HELD_OUT_SECTIONS:
        return cases
    for one in [record] if isinstance(record, WeightsRecord) else record:
        _check_unseen(cases, one, section)
    return cases


def _check_unseen(cases: Sequence[Mapping[str, Any]], record: WeightsRecord, section: str) -> None:
    seen = set(record.data.get("training", {}).get("cases", ()))
    found = [str(case["case_id"]) for case in cases if hash_of_case(str(case["case_id"])) in seen]
    if found:
        fold, n_folds = record.data.get("fold"), record.data.get("n_folds")
        raise InputError(
            f"{len(found)} of {len(cases)} cases of section {section} were in the network's training, the first "
            f"{found[0]}; the record of the weights has fold {fold} of {n_folds}, expected cases that it has not seen: "
            "leave out --fold and --n_folds, or say it by --section training; --allow_training_cases True scores them "
            "as they are, for another data set with the same ids"
        )
