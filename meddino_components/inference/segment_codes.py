"""Standard codes for the labels of AMOS22 and BraTS, from SNOMED CT if it has one.

Categories and types are those of DICOM's context groups 7150 and 7168; left and right are modifiers of the organ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InputError


@dataclass(frozen=True)
class Code:
    """A concept: its value in a coding scheme, and its meaning in words."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True)
class SegmentCode:
    """The kind, category, location and side of a segment."""

    kind: Code
    category: Code
    modifier: Code | None = None
    region: Code | None = None


ANATOMICAL_STRUCTURE = Code("91723000", "SCT", "Anatomical Structure")
ABNORMAL_STRUCTURE = Code("49755003", "SCT", "Morphologically Abnormal Structure")
_RIGHT, _LEFT = Code("24028007", "SCT", "Right"), Code("7771000", "SCT", "Left")
_KIDNEY, _ADRENAL = Code("64033007", "SCT", "Kidney"), Code("23451007", "SCT", "Adrenal gland")
_BRAIN = Code("12738006", "SCT", "Brain")


def _organ(value: str, meaning: str) -> SegmentCode:
    return SegmentCode(Code(value, "SCT", meaning), ANATOMICAL_STRUCTURE)


def _lesion(value: str, scheme: str, meaning: str) -> SegmentCode:
    return SegmentCode(Code(value, scheme, meaning), ABNORMAL_STRUCTURE, region=_BRAIN)


_ENHANCING = _lesion("C113842", "NCIt", "Enhancing Lesion")
_OEDEMA = _lesion("79654002", "SCT", "Edema")
_NECROSIS = _lesion("6574001", "SCT", "Necrosis")

SEGMENT_CODES: dict[str, SegmentCode] = {
    "spleen": _organ("78961009", "Spleen"),
    "right kidney": SegmentCode(_KIDNEY, ANATOMICAL_STRUCTURE, _RIGHT),
    "left kidney": SegmentCode(_KIDNEY, ANATOMICAL_STRUCTURE, _LEFT),
    "gall bladder": _organ("28231008", "Gallbladder"),
    "esophagus": _organ("32849002", "Esophagus"),
    "liver": _organ("10200004", "Liver"),
    "stomach": _organ("69695003", "Stomach"),
    "aorta": _organ("15825003", "Aorta"),
    "postcava": _organ("64131007", "Inferior vena cava"),
    "pancreas": _organ("15776009", "Pancreas"),
    "right adrenal gland": SegmentCode(_ADRENAL, ANATOMICAL_STRUCTURE, _RIGHT),
    "left adrenal gland": SegmentCode(_ADRENAL, ANATOMICAL_STRUCTURE, _LEFT),
    "duodenum": _organ("38848004", "Duodenum"),
    "bladder": _organ("89837001", "Bladder"),
    # a label for two organs has no code of its own, and the patient's sex does not tell which one was found
    "prostate/uterus": SegmentCode(
        Code("91772007", "SCT", "Organ"), ANATOMICAL_STRUCTURE, region=Code("816092008", "SCT", "Pelvis")
    ),
    # BraTS, by the names that its editions use
    "necrosis": _NECROSIS,
    "necrotic core": _NECROSIS,
    "non-enhancing core": _lesion("C81175", "NCIt", "Non-Enhancing Lesion"),
    "edema": _OEDEMA,
    "oedema": _OEDEMA,
    "enhancing tumor": _ENHANCING,
    "enhancing tumour": _ENHANCING,
}


def codes_of(
    label_names: Mapping[int, str], own: Mapping[str, Mapping[str, Sequence[str]]] | None = None
) -> dict[int, SegmentCode]:
    """Return the code of each label except the background.

    Args:
        label_names: names by label; 0 is the background.
        own: codes by name that take precedence over those known here: ``{"tumour": {"kind": [value, scheme, meaning],
            "category": [...], "modifier": [...], "region": [...]}}``, of which only "kind" is required.

    Raises:
        InputError: a label has no code, or one of ``own`` cannot be read.
    """
    given = {name: _parse(name, item) for name, item in (own or {}).items()}
    codes = {}
    for label, name in sorted(label_names.items()):
        if label == 0:
            continue
        code = given.get(name) or SEGMENT_CODES.get(name.lower())
        if code is None:
            raise InputError(
                f"label {label} '{name}' has no code for DICOM SEG. Add one to segment_codes, as in "
                f"{{'{name}': {{'kind': ['108369006', 'SCT', 'Neoplasm']}}}}"
            )
        codes[label] = code
    return codes


def _parse(name: str, item: Any) -> SegmentCode:
    try:
        codes = {part: Code(*(str(text) for text in code)) for part, code in dict(item).items()}
        return SegmentCode(**{"category": ANATOMICAL_STRUCTURE, **codes})
    except (TypeError, ValueError) as error:
        raise InputError(
            f"segment_codes of '{name}' is {item!r:.200}; expected 'kind' and optionally 'category', 'modifier' and "
            "'region', each [value, scheme, meaning]"
        ) from error
