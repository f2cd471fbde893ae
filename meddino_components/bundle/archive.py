"""Zip archives of bundles: the same input gives the same bytes, and none is unpacked outside its folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ..errors import InputError
from ..files import sha256_of

# the earliest date that a zip can hold: archives must not tell when they were made
_DATE = (1980, 1, 1, 0, 0, 0)
# more than any real bundle; a small archive cannot fill the disk
MAX_UNPACKED_BYTES = 64 * 2**30
MAX_RATIO = 200


def write_archive(files: Mapping[str, Path], path: Path) -> str:
    """Write files into a zip, in the order of their names, without times, owners or compression.

    Weights cannot be compressed further, and stored members do not depend on the version of zlib.

    Args:
        files: source of each member, by its name with forward slashes.
        path: of the archive.

    Returns:
        Its SHA-256.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            member = zipfile.ZipInfo(name, _DATE)
            member.external_attr = (stat.S_IFREG | 0o644) << 16
            member.create_system = 3
            member.file_size = files[name].stat().st_size
            with files[name].open("rb") as source, archive.open(member, "w") as target:
                shutil.copyfileobj(source, target)
    return sha256_of(path)


def unpack(archive: str | Path, output_dir: str | Path, sha256: str | None = None) -> Path:
    """Unpack a bundle: everything is looked at before the first byte is written.

    Args:
        archive: a zip with one folder at its top, as `package` writes and the model zoo serves.
        output_dir: gets that folder.
        sha256: what the publisher says; compared first.

    Returns:
        The bundle's folder.

    Raises:
        InputError: another SHA-256; no zip; a member that would lie outside the folder, a link, or an archive that
            unpacks to much more than its size; a folder of that name is already there.
    """
    source = Path(archive)
    if not source.is_file():
        raise InputError(f"{source}: no such file")
    if sha256 is not None and (found := sha256_of(source)) != sha256.lower():
        raise InputError(f"{source}: SHA-256 is {found}, not {sha256}: download it again, and trust neither until then")
    try:
        with zipfile.ZipFile(source) as opened:
            top = _checked_top_folder(source, opened.infolist())
            target = Path(output_dir) / top
            if target.exists():
                raise InputError(f"{target} is already there: remove it, or unpack {source.name} elsewhere")
            target.parent.mkdir(parents=True, exist_ok=True)
            # beside the target, so that the last step is a rename: a half unpacked bundle is never found
            with tempfile.TemporaryDirectory(prefix=f".{top}.", dir=target.parent) as folder:
                opened.extractall(folder)
                os.replace(Path(folder) / top, target)
    except zipfile.BadZipFile as error:
        raise InputError(f"{source}: no zip archive, or a damaged one ({error}): download it again") from error
    return target


def _checked_top_folder(archive: Path, members: list[zipfile.ZipInfo]) -> str:
    tops = set()
    for member in members:
        # zipfile has already turned the system's separators into slashes; a backslash is one on another system
        parts = PurePosixPath(member.filename.replace("\\", "/")).parts
        kind = stat.S_IFMT(member.external_attr >> 16)
        if ".." in parts or not parts or parts[0] == "/" or ":" in parts[0]:
            raise InputError(f"{archive}: holds '{member.filename}', which would lie outside its folder: do not use it")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise InputError(f"{archive}: holds '{member.filename}', which is no plain file: do not use it")
        tops.add(parts[0])
        if len(parts) == 1 and not member.is_dir():
            raise InputError(
                f"{archive}: '{member.filename}' lies beside the bundle's folder; expected one folder only"
            )
    if len(tops) != 1:
        raise InputError(f"{archive}: expected one folder at the top, found {', '.join(sorted(tops)) or 'nothing'}")
    unpacked = sum(member.file_size for member in members)
    if unpacked > MAX_UNPACKED_BYTES or unpacked > MAX_RATIO * max(archive.stat().st_size, 1):
        raise InputError(f"{archive}: would unpack to {unpacked / 2**30:.1f} GiB: that is no bundle")
    return tops.pop()


def sha1_of(path: Path) -> str:
    """SHA-1, which the model zoo's `model_info.json` holds. It finds damage; against forgery there is SHA-256."""
    digest = hashlib.sha1(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
