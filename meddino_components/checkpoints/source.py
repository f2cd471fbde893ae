"""Find weights in a file, a folder or a repository on the Hugging Face Hub, and verify their SHA-256."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from meddino_components.errors import InputError
from meddino_components.files import sha256_of
from meddino_components.project import extra

from .hub_address import HubAddress, parse_hub_address
from .registry import find_known, known_encoders, near_names
from .sharded import check_one_file

# given in place of an address: draw random weights
RANDOM = "random"
# In order of preference: safetensors cannot run code and is memory-mapped.
_WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt")


def resolve(source: str | os.PathLike[str]) -> Path:
    """Return the local file that ``source`` names.

    Args:
        source: path of a file or of a folder (such as ``save_pretrained`` writes); short name of a known encoder
            (``meddinov3-b``, see ``registry.yaml``); or ``hf://owner/name[@revision][/file]``. Downloads use
            huggingface_hub, so ``HF_ENDPOINT``, ``HF_HOME``, ``HF_TOKEN`` and ``HF_HUB_OFFLINE`` work as usual. If no
            file is named, the only ``*.safetensors`` is used (``model.safetensors`` first), else the only ``*.pth``,
            else the only ``*.pt``.

    Raises:
        InputError: the file or name does not exist, the choice is not unique, or the download failed.
    """
    text = os.fspath(source)
    known = find_known(text)
    if known is not None and known.not_read:
        raise InputError(f"{text}: these weights are not supported yet ({known.not_read})")
    address = parse_hub_address(known.source if known is not None and text == known.name else text)
    if address is not None:
        return _from_hub(text, address)
    path = Path(text).expanduser()
    if path.is_dir():
        names = [entry.name for entry in path.iterdir() if entry.is_file()]
        return path / choose_weight_file(names, where=str(path))
    if not path.is_file():
        raise InputError(_no_such_weights(text))
    check_one_file([path.name], where=text, folder=str(path.parent))
    return path


def _no_such_weights(text: str) -> str:
    if "/" in text or Path(text).suffix in _WEIGHT_SUFFIXES:
        return (
            f"{text}: no such file; give weights as a path, as hf://owner/name[@revision][/file] or by the name of a "
            "known encoder"
        )
    near = near_names(text)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return f"{text}: no such file or known encoder: {hint}Known encoders: {', '.join(known_encoders())}"


def choose_weight_file(names: Iterable[str], *, where: str) -> str:
    """Return the one file among ``names`` that holds weights.

    Raises:
        InputError: none or several qualify, or the weights are split over several files.
    """
    listed = sorted(names)
    if "model.safetensors" not in listed:
        check_one_file(listed, where=where, folder=where)
    for suffix in _WEIGHT_SUFFIXES:
        found = [name for name in listed if name.endswith(suffix)]
        preferred = f"model{suffix}"
        if len(found) == 1 or preferred in found:
            return preferred if preferred in found else found[0]
        if found:
            raise InputError(
                f"{where}: holds several weight files ({', '.join(found[:8])}); name one: {where}/{found[0]}"
            )
    raise InputError(f"{where}: holds no *.safetensors, *.pth or *.pt; found {', '.join(listed[:8]) or 'nothing'}")


def _from_hub(source: str, address: HubAddress) -> Path:
    """Download a file from the hub, or find it in the cache."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise InputError(f"{source}: needs huggingface_hub: {extra('hub')}") from error
    file = address.file
    if file is None:
        file = choose_weight_file(_list_hub_files(source, address), where=source)
    try:
        return Path(huggingface_hub.hf_hub_download(address.repository, file, revision=address.revision))
    except Exception as error:
        raise _hub_error(source, error) from error


def _list_hub_files(source: str, address: HubAddress) -> list[str]:
    """List a repository's files; without a connection, its files in the cache."""
    import huggingface_hub

    try:
        found = huggingface_hub.model_info(address.repository, revision=address.revision).siblings
        return [entry.rfilename for entry in found or []]
    except Exception as error:
        cached = _list_cached_files(address)
        if not cached:
            raise _hub_error(source, error) from error
        return cached


def _list_cached_files(address: HubAddress) -> list[str]:
    """List the cached files of a repository's revision."""
    import huggingface_hub

    try:
        repos = huggingface_hub.scan_cache_dir().repos
    except huggingface_hub.CacheNotFound:
        return []
    wanted = address.revision or "main"
    revisions = [revision for entry in repos if entry.repo_id == address.repository for revision in entry.revisions]
    return [
        file.file_path.relative_to(revision.snapshot_path).as_posix()
        for revision in revisions
        if wanted in revision.refs or wanted == revision.commit_hash
        for file in revision.files
    ]


def _hub_error(source: str, error: Exception) -> InputError:
    """Say what failed. Any exception may come in: its type differs between versions of the library."""
    reason = (str(error).strip().splitlines() or [""])[0]
    message = f"{source}: not found on the hub or in the local cache ({type(error).__name__}: {reason})"
    if type(error).__name__ in {"GatedRepoError", "RepositoryNotFoundError"}:
        message += "; check the name, accept the licence on the repository's page and log in with: hf auth login"
    else:
        message += "; check the connection and HF_ENDPOINT, unset HF_HUB_OFFLINE, or give the path of a downloaded file"
    return InputError(message)


def pinned_address(source: str, path: Path) -> str | None:
    """Return the address of a file from the hub, with the commit that it came from; None for other files.

    Args:
        source: path, address or name as the user wrote it, see `resolve`.
        path: file that `resolve` returned; the hub's cache stores files by commit.
    """
    known = find_known(source)
    address = parse_hub_address(known.source if known is not None else source)
    parts = path.parts
    if address is None or "snapshots" not in parts:
        return None
    commit, *file = parts[len(parts) - parts[::-1].index("snapshots") :]
    return str(HubAddress(repository=address.repository, revision=commit, file="/".join(file)))


def verified_sha256(path: Path, expected: str | None = None) -> str:
    """Return the SHA-256 of ``path`` if it matches ``expected`` and any ``<path>.sha256`` next to it.

    Raises:
        InputError: the file is damaged or not the expected one.
    """
    found = sha256_of(path)
    if expected is not None and found != expected.strip().lower():
        raise InputError(
            f"{path}: SHA-256 is {found}, expected {expected}; the file is damaged or not the expected one: download "
            f"it again, or correct the SHA-256"
        )
    sidecar = Path(f"{path}.sha256")
    if sidecar.is_file():
        recorded = (sidecar.read_text(errors="replace").split() or [""])[0].lower()
        if found != recorded:
            raise InputError(
                f"{path}: SHA-256 is {found}, but {sidecar.name} next to it says {recorded or 'nothing'}; "
                "copy the file again, or delete the .sha256 file if you replaced the weights on purpose"
            )
    return found


def check_stated_sha256(path: Path, stated: str | None) -> None:
    """Compare a file with the SHA-256 that the user states.

    A ``.pt2`` file needs one: torch unpickles its content, and a pickle can run any code (CVE-2026-4538). A ``.sha256``
    file next to it does not count, as whoever made the one can have made the other.

    Raises:
        InputError: the file is missing or has another SHA-256, ``stated`` is not a SHA-256, or a ``.pt2`` has none.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if stated is None:
        if path.suffix == ".pt2":
            raise InputError(
                f"{path}: refused, because reading a .pt2 file can run code: pass --model_sha256 with the SHA-256 "
                f"that `export` printed or that you got from a trusted source; or export to .onnx"
            )
        return
    if not re.fullmatch(r"[0-9a-fA-F]{64}", str(stated)):
        raise InputError(f"{path}: the SHA-256 given for it is {stated!r}; expected 64 hexadecimal digits")
    if (found := sha256_of(path)) != stated.lower():
        raise InputError(
            f"{path}: SHA-256 is {found}, but {stated} was given: the file is damaged or not the expected one; copy "
            f"it again from where you got that SHA-256"
        )
