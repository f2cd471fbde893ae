"""Zip archives of bundles: the same input gives the same bytes, and none is unpacked outside its folder."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ..errors import InputError
from ..files import sha256_of
from .configurations import shown
from .contents import WEIGHTS, code_problems, content_problems, one_line
from .release_checks import weight_problems

# the earliest date that a zip can hold: archives must not tell when they were made
_DATE = (1980, 1, 1, 0, 0, 0)
_ENCRYPTED = 0x1 | 0x40
_TOP = re.compile(r"\w[\w-]{0,99}", re.ASCII)
# more than any real bundle; a small archive cannot fill the disk
MAX_UNPACKED_BYTES = 64 * 2**30
MAX_RATIO = 200
MAX_MEMBERS = 5000
MAX_DEPTH = 12
# of a member that holds no weights
MAX_TEXT_BYTES = 16 * 2**20


def write_archive(files: Mapping[str, Path], path: Path) -> str:
    """Write files into a zip, in the order of their names, without times, owners or compression.

    Weights cannot be compressed further, and stored members do not depend on the version of zlib.

    Args:
        files: source of each member, by its name with forward slashes.
        path: path of the archive to write.

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
    """Unpack a bundle: everything but its weights is looked at before the first byte is written.

    Args:
        archive: a zip with one folder at its top, as `package` writes and the model zoo serves.
        output_dir: folder in which the bundle's folder is created.
        sha256: SHA-256 of the archive as its publisher states it, which is checked first. Required if the components in
            the archive differ from those of this package, because nothing else vouches for their code.

    Returns:
        The bundle's folder.

    Raises:
        InputError: another SHA-256; no zip; a member that would lie outside the folder, a link, one that a bundle does
            not hold, or an archive that unpacks to much more than its size; a configuration that goes beyond what a
            released bundle may do; components of unknown origin; weights that could run code; a folder of that name is
            already there.
    """
    source = Path(archive)
    if not source.is_file():
        raise InputError(f"{source}: no such file")
    if sha256 is not None and (found := sha256_of(source)) != str(sha256).lower():
        raise InputError(f"{source}: SHA-256 is {found}, not {sha256}: download it again, and trust neither until then")
    try:
        with zipfile.ZipFile(source) as opened:
            top = _checked_top_folder(source, opened.infolist())
            _check_contents(source, opened, top, is_vouched_for=sha256 is not None)
            target = Path(output_dir) / top
            if target.exists():
                raise InputError(f"{target} is already there: remove it, or unpack {source.name} elsewhere")
            target.parent.mkdir(parents=True, exist_ok=True)
            # beside the target, so that the last step is a rename: a half unpacked bundle is never found
            with tempfile.TemporaryDirectory(prefix=f".{top}.", dir=target.parent) as folder:
                opened.extractall(folder)
                if problems := weight_problems(Path(folder) / top):
                    raise InputError(f"{source}: {one_line(problems).replace(f'{folder}/', '')}")
                os.replace(Path(folder) / top, target)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise InputError(f"{source}: no zip archive, or a damaged one ({error}): download it again") from error
    return target


def _checked_top_folder(archive: Path, members: list[zipfile.ZipInfo]) -> str:
    if len(members) > MAX_MEMBERS:
        raise InputError(f"{archive}: holds {len(members)} members, more than {MAX_MEMBERS}: that is no bundle")
    tops = set()
    names = set()
    for member in members:
        # zipfile has already turned the system's separators into slashes; a backslash is one on another system
        parts = PurePosixPath(member.filename.replace("\\", "/")).parts
        name = shown(member.filename)
        if ".." in parts or not parts or parts[0] == "/" or ":" in parts[0]:
            raise InputError(f"{archive}: holds {name}, which would lie outside its folder: do not use it")
        if problem := _member_problem(member, len(parts)):
            raise InputError(f"{archive}: holds {name}, {problem}: do not use it")
        if member.filename in names:
            raise InputError(f"{archive}: holds {name} twice: do not use it")
        names.add(member.filename)
        tops.add(parts[0])
        if len(parts) == 1 and not member.is_dir():
            raise InputError(f"{archive}: {name} lies beside the bundle's folder; expected one folder only")
    if len(tops) != 1:
        found = shown(", ".join(sorted(tops)))[1:-1]
        raise InputError(f"{archive}: expected one folder at the top, found {found or 'nothing'}")
    top = tops.pop()
    if not _TOP.fullmatch(top):
        raise InputError(f"{archive}: its folder is {shown(top)}: expected letters, digits, - and _")
    unpacked = sum(member.file_size for member in members)
    if unpacked > MAX_UNPACKED_BYTES or unpacked > MAX_RATIO * max(archive.stat().st_size, 1):
        raise InputError(f"{archive}: would unpack to {unpacked / 2**30:.1f} GiB: that is no bundle")
    return top


def _member_problem(member: zipfile.ZipInfo, depth: int) -> str | None:
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "which is no plain file"
    if member.flag_bits & _ENCRYPTED:
        return "which is encrypted"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"which is compressed by method {member.compress_type}, not stored or deflated"
    if depth > MAX_DEPTH:
        return f"which lies {depth} folders deep, more than {MAX_DEPTH}"
    if member.file_size > MAX_TEXT_BYTES and not member.filename.endswith(WEIGHTS):
        return f"which has {member.file_size / 2**20:.0f} MiB, more than {MAX_TEXT_BYTES // 2**20}"
    return None


def _check_contents(archive: Path, opened: zipfile.ZipFile, top: str, *, is_vouched_for: bool) -> None:
    members = {member.filename.removeprefix(f"{top}/"): member for member in opened.infolist() if not member.is_dir()}

    def read(name: str) -> bytes:
        return opened.read(members[name])

    if problems := content_problems(members, read):
        raise InputError(f"{archive}: {one_line(problems)}: do not use it")
    if not is_vouched_for and (problems := code_problems(members, read)):
        raise InputError(
            f"{archive}: {one_line(problems)}, so its code is unknown here. Give --sha256 as its publisher states it, "
            "or unpack it with the release that it was made with"
        )


def sha1_of(path: Path) -> str:
    """SHA-1, which the model zoo's `model_info.json` holds. It finds damage; against forgery there is SHA-256."""
    digest = hashlib.sha1(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
