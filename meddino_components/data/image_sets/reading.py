"""Read an image set of any layout, for configurations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from ...errors import InputError
from ...shared_options import flattened
from .chest_xray14 import read_chest_xray14
from .ct_rate import read_ct_rate
from .image_set import ImageSet
from .labelled_table import read_labelled_table
from .medmnist import read_medmnist
from .rsna_pneumonia import read_rsna_pneumonia
from .slides import read_slides

ImageSetLayout = Literal["medmnist", "table", "chest_xray14", "rsna_pneumonia", "ct_rate", "slides"]

_READERS: dict[str, Callable[..., ImageSet]] = {
    "medmnist": read_medmnist,
    "table": read_labelled_table,
    "chest_xray14": read_chest_xray14,
    "rsna_pneumonia": read_rsna_pneumonia,
    "ct_rate": read_ct_rate,
    "slides": read_slides,
}


def read_image_set(root: str | Path, layout: ImageSetLayout, options: Mapping[str, Any] | None = None) -> ImageSet:
    """Read a labelled set with its splits, see docs/image_sets.md.

    Args:
        root: file or folder for the reader of the layout.
        layout: layout of the set: "medmnist", "table", "chest_xray14", "rsna_pneumonia", "ct_rate" or "slides".
        options: arguments of that reader by name.

    Raises:
        InputError: the layout is unknown, an option is unknown or missing, or see the reader.
    """
    if layout not in _READERS:
        raise InputError(f"layout is {layout!r}; expected one of {', '.join(get_args(ImageSetLayout))}.")
    options = dict(options or {})
    reader = flattened(_READERS[layout])
    known = inspect.signature(reader).parameters
    own = {name: option for name, option in known.items() if name != "root"}
    if unknown := [name for name in options if name not in own]:
        raise InputError(
            f"layout '{layout}' has no option {', '.join(unknown)}. Its options are {', '.join(own) or 'none'}."
        )
    needed = [name for name, option in own.items() if option.default is option.empty and name not in options]
    if needed:
        raise InputError(f"layout '{layout}' needs {', '.join(needed)}.")
    return reader(root, **options)
