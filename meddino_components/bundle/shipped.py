"""The bundles that come with this project, by name: in a checkout, in an installed wheel, or unpacked."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from .. import __file__ as _COMPONENTS
from ..errors import InputError
from ..near_names import near_name

# folder of the bundles in a wheel, below the components
SHIPPED = "shipped_bundles"
# what a user's copy of a bundle needs; layers are for the checkout
PARTS = ("configs", "docs", "LICENSE")


def find_bundle(name: str) -> Path:
    """The folder of a bundle by name: in ``bundles`` of the working directory, or one that comes with the components.

    Raises:
        InputError: it is in none of these; the message names those that are there.
    """
    places = [Path("bundles") / name, Path(name), *(folder / name for folder in _shipped()), _beside()]
    for place in places:
        if name_of(place) == name:
            return place
    known = bundle_names()
    near = near_name(name, known)
    hint = f"did you mean {near}? " if near else ""
    raise InputError(
        f"bundle {name}: not in {Path('bundles').absolute()}, nor beside the components: {hint}There are "
        f"{', '.join(known) or 'none'}; give a name or a folder by --bundle"
    )


def named_bundle(bundle: str | os.PathLike[str]) -> Path:
    """The folder of a bundle that is given as a folder or by name.

    Raises:
        InputError: it is neither.
    """
    path = Path(bundle)
    if path.is_dir() or len(path.parts) != 1:
        return path
    return find_bundle(path.name)


def bundle_names() -> list[str]:
    """Names of the bundles that come with the components."""
    found = {name_of(folder) for place in _shipped() for folder in place.glob("*")}
    return sorted(name for name in {*found, name_of(_beside())} if name is not None)


def name_of(root: Path) -> str | None:
    """The name in the metadata of a bundle's folder; None for other folders."""
    metadata = root / "configs" / "metadata.json"
    if not metadata.is_file():
        return None
    name: str | None = json.loads(metadata.read_text(encoding="utf-8")).get("name")
    return name


def copy_bundle(name: str, output_dir: str = ".") -> str:
    """Copy a bundle to a folder, from where `monai.bundle run` runs it.

    Args:
        name: such as meddinov3_seg_amos.
        output_dir: folder for the copy; must not hold anything of this name yet.

    Returns:
        The copy.

    Raises:
        InputError: the bundle does not exist, or ``output_dir`` already holds something of this name.
    """
    source, folder = find_bundle(name), Path(output_dir)
    target = folder / name
    if os.path.lexists(target):
        raise InputError(f"{target}: is there already: delete it, or name another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}.") as draft:
            whole = Path(draft) / name
            whole.mkdir()
            for part in PARTS:
                if (source / part).is_dir():
                    shutil.copytree(source / part, whole / part)
                elif (source / part).is_file():
                    shutil.copyfile(source / part, whole / part)
            whole.rename(target)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror}): name another folder") from error
    return str(target)


def _beside() -> Path:
    """The folder that the components lie in: a checkout, or an unpacked bundle."""
    return Path(_COMPONENTS).resolve().parents[1]


def _shipped() -> list[Path]:
    return [_beside() / "bundles", Path(_COMPONENTS).resolve().parent / SHIPPED]
