"""Read AMOS22 as downloaded; the number of a case tells CT from MR.

Reference: Ji et al., AMOS, arXiv 2206.08023; doi 10.5281/zenodo.7155725.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..volumes.ct_or_mr import Modality
from .dataset_json import DATASET_JSON, Case, listed_cases
from .layout import Layout, Section, listed_images, numbered_labels
from .nnunet_raw import has_signs_of_nnunet

AMOS_LABELS: dict[int, str] = {
    0: "background",
    1: "spleen",
    2: "right kidney",
    3: "left kidney",
    4: "gall bladder",
    5: "esophagus",
    6: "liver",
    7: "stomach",
    8: "aorta",
    9: "postcava",
    10: "pancreas",
    11: "right adrenal gland",
    12: "left adrenal gland",
    13: "duodenum",
    14: "bladder",
    15: "prostate/uterus",
}
_FIRST_MR = 500


def is_amos(root: Path, content: Mapping[str, Any] | None) -> bool:
    """Return whether dataset.json lists images named amos_ and is not nnU-Net's."""
    images = listed_images(content)
    names = [Path(str(image)).name for image in images]
    return bool(names) and not has_signs_of_nnunet(content) and all(name.startswith("amos_") for name in names)


def read_amos(root: Path, section: Section, modality: Modality | None) -> list[Case]:
    """List the cases of a section, of both modalities, see `read_datalist`.

    Raises:
        InputError: a case has no number; see `listed_cases`.
    """
    cases = listed_cases(root, {"official_validation": "validation", "test": "test"}.get(section, "training"))
    for case in cases:
        number = case["case_id"].rsplit("_", 1)[-1]
        if not number.isdigit():
            raise InputError(
                f"{root / DATASET_JSON}: case '{case['case_id']}' has no number at its end to tell CT from MR; "
                f"expected names such as amos_0001."
            )
        case["modality"] = "ct" if int(number) < _FIRST_MR else "mr"
    return cases


AMOS = Layout(
    name="amos",
    sign="dataset.json lists images named amos_",
    recognises=is_amos,
    read=read_amos,
    labels=numbered_labels,
    default_labels=AMOS_LABELS,
    joins_validation=True,
)
