"""Identify the MRI sequence of a file by its name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..volumes.file_checks import stem_of

LABEL = "seg"
# names of sequences in files of BraTS by year, of the Decathlon and of common tools
ALIASES: dict[str, tuple[str, ...]] = {
    "t1": ("t1", "t1n", "t1w"),
    "t1ce": ("t1ce", "t1c", "t1gd"),
    "t2": ("t2", "t2w"),
    "flair": ("flair", "t2f", "fla"),
    LABEL: ("seg", "segm"),
}
SEQUENCES = ("t1", "t1ce", "t2", "flair")

OF_ALIAS = {alias: name for name, aliases in ALIASES.items() for alias in aliases}
NAMING = (
    "a name ends in _t1, _t1ce, _t2, _flair (labels: _seg) or in -t1n, -t1c, -t2w, -t2f (labels: -seg), as in BraTS"
)


def channel_key(name: str) -> str:
    """Return what two spellings of a channel's name have in common: "t1gd" and "T1CE" are the same sequence."""
    return OF_ALIAS.get(name.lower(), name.lower())


def words_of(channels: Sequence[str]) -> dict[str, str]:
    """Return the channel that each word in a file name stands for: the known sequences, and these channels."""
    own = {alias: name for name in channels for alias in OF_ALIAS if channel_key(alias) == channel_key(name)}
    return {**OF_ALIAS, **own, **{name.lower(): name for name in channels}}


def sequence_of(path: str | Path, channels: Sequence[str] = ()) -> tuple[str, str | None]:
    """Split a name into the case's part and the sequence, which may be "seg" or None.

    The last word of the name decides; if it names no sequence, the only word that does (``id_t1c_bet``). Words are
    separated by anything but letters and digits; case is ignored.

    Args:
        path: path of a file or a DICOM folder.
        channels: names of channels in addition to the known sequences, such as CT and PET.

    Example:
        >>> sequence_of("BraTS-GLI-00001-000-t1c.nii.gz")
        ('BraTS-GLI-00001-000', 't1ce')
        >>> sequence_of("case7_FLAIR_bet.nii.gz")
        ('case7_bet', 'flair')
    """
    stem, known = stem_of(Path(path)), words_of(channels)
    words = list(re.finditer(r"[A-Za-z0-9]+", stem))
    naming = [word for word in words if word[0].lower() in known]
    chosen = words[-1] if words and words[-1] in naming else naming[0] if len(naming) == 1 else None
    if chosen is None:
        return stem, None
    before, after = stem[: chosen.start()].rstrip("_-. "), stem[chosen.end() :]
    return (before + after).strip("_-. "), known[chosen[0].lower()]
