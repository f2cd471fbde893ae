"""Read data lists from public data-set layouts: the cases, their files and their folds.

A case is {"image": path, "label": path, "case_id": str, "modality": "ct" | "mr"}; without "label" in the test section,
with {channel: path} as "image" if a case has several files, or "channels", their names in the order of a 4D file, if
all are in one file; with {channel: modality} as "modality" if channels differ; and with "patient", "annotated" and
"label_values" (see `partial_labels`) if the data list states them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from ...errors import InputError
from ..volumes.channel_modality import CaseModality, joint_modality, parse_channel_modality
from ..volumes.ct_or_mr import parse_modality
from .case_files import check_files_exist
from .case_splits import is_of_nnunet, needs_both_lists, split_cases
from .dataset_json import DATASET_JSON, Case
from .layout import Section
from .layouts import KNOWN, find_layout
from .sequence_names import channel_key


def read_datalist(
    dataset_dir: str | os.PathLike[str],
    layout: str | None = None,
    section: Section = "training",
    fold: int = 0,
    n_folds: int = 5,
    seed: int = 0,
    modality: str | Mapping[str, str] | None = None,
    exclude: Sequence[str] = (),
    split: str | None = None,
    allow_same_patient: bool = False,
) -> list[Case]:
    """Read the cases of one section of a data set.

    Layouts: "amos" (AMOS22 as downloaded; cases numbered below 500 are CT, the others MR), "nnunet_raw"
    (DatasetXXX_Name of nnU-Net v2), "msd" (a task of the Medical Segmentation Decathlon), "brats" (a folder with the
    sequences and the label of each case side by side, or a .json data list, see `sequences`; a folder's unlabelled
    cases are "test"), "dicom" (folders with DICOM series and the DICOM SEG or RTSTRUCT that was drawn on each; series
    without drawings are "test"), "joined" (a .json file that lists data sets with different labels, each in another
    layout, see `joined`), and those of public data sets as downloaded (docs/data_sets.md).

    Sections: "training" and "validation" split the labelled training list into `n_folds` folds by `split`, whatever the
        order of files or of the list; "all_labelled" is that list unsplit; "official_validation" is the data set's own
        validation list. Folds mix it with the training list by nnU-Net's splits, as nnU-Net has no such list, and by
        the splits "joined" and "official", with which "all_labelled" contains both lists, too. "test" is its images
        without labels.

    Args:
        dataset_dir: folder that contains dataset.json (brats: see above).
        layout: layout as above; None to recognise it. A layout that contradicts the folder is refused.
        section: section as above.
        fold: number of the fold for "validation", from 0.
        n_folds: number of folds.
        seed: seed for the shuffle before splitting.
        modality: for amos, keeps only cases of this modality; for other layouts, the modality of the images, required
            for one channel unless dataset.json says "CT". A mapping gives that of some channels, or of all.
        exclude: ids of cases to leave out.
        split: rule of the split: "patients", "joined", "official", "nnunet", "list", a path or None, see `split_cases`.
        allow_same_patient: whether a given split may have a patient on both sides.

    Returns:
        Cases sorted by id, with absolute paths.

    Raises:
        InputError: dataset.json is missing or not as expected, listed files are missing, case ids occur twice, no case
            is left, the fold is out of range, or the modality is unknown; see `find_layout` and `split_cases`.
    """
    root = Path(dataset_dir).expanduser().absolute()
    if section not in get_args(Section):
        raise InputError(f"section is {section!r}; expected one of {', '.join(get_args(Section))}.")
    known_layout = KNOWN[find_layout(root, layout)]
    of_channels = modality if isinstance(modality, Mapping) else None
    wanted = None if modality is None or of_channels is not None else parse_modality(modality, "modality")
    cases = known_layout.read(root, section, wanted)
    folds = section in ("training", "validation")
    by_nnunet = folds and known_layout.joins_validation and is_of_nnunet(split, root)
    both = needs_both_lists(split) and section in ("training", "validation", "all_labelled")
    official = known_layout.read(root, "official_validation", wanted) if by_nnunet or both else []
    cases += official
    if of_channels is not None:
        cases = [case | {"modality": _modality_of(case, of_channels, root)} for case in cases]
    known = [str(case["case_id"]) for case in cases]
    cases = [c for c in cases if c["case_id"] not in set(exclude) and wanted in (None, c["modality"])]
    listed_in = root / DATASET_JSON if known_layout.has_dataset_json else root
    if not cases:
        raise InputError(
            f"{listed_in}: no case left in section '{section}'"
            + (f" with modality '{wanted}'" if wanted else "")
            + ". Check dataset_dir, section, modality and exclude."
        )
    cases.sort(key=lambda c: c["case_id"])
    check_files_exist(cases, listed_in)
    if not folds:
        return cases
    sides = split_cases(
        cases,
        root=root,
        known=known,
        official={str(case["case_id"]) for case in official},
        fold=fold,
        n_folds=n_folds,
        seed=seed,
        split=split,
        allow_same_patient=allow_same_patient,
    )
    return [dict(case) for case in sides[section == "validation"]]


def _modality_of(case: Case, stated: Mapping[str, str], root: Path) -> CaseModality:
    """Return the modality of a case's channels, of which the user states some."""
    image, found = case["image"], case["modality"]
    names = list(image) if isinstance(image, Mapping) else case.get("channels", [])
    given = {channel_key(name): parse_channel_modality(one, f"modality of '{name}'") for name, one in stated.items()}
    if unknown := [name for name in stated if channel_key(name) not in {channel_key(one) for one in names}]:
        there = f"the channels {', '.join(names)}" if names else "one channel, whose modality is ct or mr"
        raise InputError(f"{root}: modality names '{unknown[0]}', but case {case['case_id']} has {there}.")
    own = {name: found[name] if isinstance(found, Mapping) else found for name in names}
    return joint_modality({name: given.get(channel_key(name)) or own[name] for name in names})
