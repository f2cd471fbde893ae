"""Define the labels of brain tumours by the year of BraTS: the enhancing tumour is 4, or 3 since 2023."""

from __future__ import annotations

import re

from ...errors import InputError
from ..volumes.regions import Regions

REGION_NAMES = ("whole tumour", "tumour core", "enhancing tumour")

# first year -> labels of core (one or two), oedema and enhancing tumour
# The non-enhancing core includes the necrosis, except in the first years, which had a label for each.
# Reference: Menze et al., IEEE TMI 2015 (four labels); Bakas et al., arXiv 1811.02629 (necrosis and non-enhancing core
# in one label from 2017); Baid et al., arXiv 2107.02314; the challenge's pages from 2023; Task01's dataset.json
_BY_YEAR: dict[int, dict[int, str]] = {
    2012: {1: "necrosis", 2: "oedema", 3: "non-enhancing core", 4: "enhancing tumour"},
    2017: {1: "non-enhancing core", 2: "oedema", 4: "enhancing tumour"},
    2023: {1: "non-enhancing core", 2: "oedema", 3: "enhancing tumour"},
}
_DECATHLON = {1: "oedema", 2: "non-enhancing core", 3: "enhancing tumour"}
_NOTE = (
    "The enhancing tumour is 4 in BraTS until 2022 and 3 from 2023 on: set label_convention to the year of the data "
    "(brats2021, brats2023, ...; msd for Task01 of the Medical Segmentation Decathlon), for training and evaluation "
    "alike. Set labels outside the tumour (a resection cavity) to 0 first"
)


def brats_regions(convention: str) -> Regions:
    """Return whole tumour, tumour core and enhancing tumour in terms of a convention's labels.

    ===================  =========================  ======  =========  =========
    convention           necrotic, non-enhancing    oedema  enhancing  core
    ===================  =========================  ======  =========  =========
    brats2012 to 2016    1, 3 (written: 1)          2       4          1, 3, 4
    brats2017 to 2022    1                          2       4          1, 4
    brats2023 and on     1                          2       3          1, 3
    msd                  2                          1       3          2, 3
    ===================  =========================  ======  =========  =========

    Args:
        convention: ``brats`` and the year of the data, such as ``brats2021``; or ``msd``.

    Raises:
        InputError: the convention is unknown.

    Example:
        >>> brats_regions("brats2021").members
        ((1, 2, 4), (1, 4), (4,))
    """
    label_names = _label_names(convention)
    oedema, enhancing = (_label_of(label_names, name) for name in ("oedema", "enhancing tumour"))
    core = tuple(label for label in label_names if label != oedema)
    return Regions(
        convention=str(convention),
        label_names=tuple(label_names.items()),
        names=REGION_NAMES,
        members=(tuple(label_names), core, (enhancing,)),
        written=(oedema, core[0], enhancing),
        note=_NOTE,
    )


def _label_names(convention: str) -> dict[int, str]:
    if convention == "msd":
        return _DECATHLON
    match = re.fullmatch(r"brats(20[1-3]\d)", str(convention))
    if match is None or int(match[1]) < min(_BY_YEAR):
        raise InputError(
            f"label_convention is {convention!r}; expected 'brats' and the year of the data, such as 'brats2021', "
            "'msd' for Task01 of the Medical Segmentation Decathlon, or 'kits23'"
        )
    return _BY_YEAR[max(year for year in _BY_YEAR if year <= int(match[1]))]


def _label_of(label_names: dict[int, str], name: str) -> int:
    return next(label for label, other in label_names.items() if other == name)
