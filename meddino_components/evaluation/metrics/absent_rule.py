"""Rules for a structure that the reference of a case lacks."""

from __future__ import annotations

from enum import StrEnum


class AbsentRule(StrEnum):
    """What a case counts for a structure that its reference lacks.

    Attributes:
        LEAVE_OUT: the case does not count for the structure, whatever was predicted.
        NNUNET: the case does not count if nothing was predicted, either; otherwise it counts as a miss, as in nnU-Net's
            ``summary.json``.
        BRATS: the case counts in full: the best value if nothing was predicted, otherwise the penalty.

    Reference:
        MedDINOv3, arXiv 2509.02379, section 4; Isensee et al., nnU-Net, doi 10.1038/s41592-020-01008-z; Baid et al.,
        BraTS 2021, arXiv 2107.02314.
    """

    LEAVE_OUT = "leave_out"
    NNUNET = "nnunet"
    BRATS = "brats"

    @classmethod
    def published(cls, *, of_regions: bool) -> AbsentRule:
        """Return the rule that the published numbers of regions, or of exclusive classes, were computed by."""
        return cls.BRATS if of_regions else cls.LEAVE_OUT

    @property
    def in_words(self) -> str:
        """Say which cases count for a structure."""
        return _IN_WORDS[self]


_IN_WORDS = {
    AbsentRule.LEAVE_OUT: "the cases whose reference has it",
    AbsentRule.NNUNET: "the cases whose reference or prediction has it",
    AbsentRule.BRATS: "every case",
}
