"""Where weights come from: a file, a folder, or a repository of the Hugging Face hub; and its SHA-256."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from meddino_components.errors import InputError
from meddino_components.files import sha256_of

HUB_PREFIX = "hf://"
_HUB_SOURCE = re.compile(r"hf://(?P<repo>[^/\s]+/[^/\s]+)(?:/(?P<file>\S.*))?")
# In this order: safetensors cannot run code and is memory-mapped.
_WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt")


def resolve(source: str | os.PathLike[str]) -> Path:
    """Return the local file that ``source`` names.

    Args:
        source: a file; a folder (such as ``save_pretrained`` writes); or ``hf://owner/name[/file]``. The hub is
            asked through huggingface_hub, so that ``HF_ENDPOINT``, ``HF_HOME``, ``HF_TOKEN`` and ``HF_HUB_OFFLINE``
            have their usual meaning. Where no file is named, the only ``*.safetensors`` is taken
            (``model.safetensors`` before others), else the only ``*.pth``, else the only ``*.pt``.

    Raises:
        InputError: there is no such file, the choice is not unique, or the hub did not give it.
    """
    text = os.fspath(source)
    if text.startswith(HUB_PREFIX):
        return _from_hub(text)
    path = Path(text).expanduser()
    if path.is_dir():
        names = [entry.name for entry in path.iterdir() if entry.is_file()]
        return path / choose_weight_file(names, where=str(path))
    if not path.is_file():
        raise InputError(f"{path}: no such file; weights are given as a path or as hf://owner/name[/file]")
    return path


def choose_weight_file(names: Iterable[str], *, where: str) -> str:
    """Return the one file of ``names`` that holds weights.

    Raises:
        InputError: none or several qualify, or the weights are split over several files.
    """
    listed = sorted(names)
    split = any(name.endswith(".safetensors.index.json") for name in listed)
    if split and "model.safetensors" not in listed:
        raise InputError(
            f"{where}: the weights are split over several files, which is not read; join them into one "
            "(transformers: save_pretrained(folder, max_shard_size='100GB')) and give its path"
        )
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


def _from_hub(source: str) -> Path:
    """Download ``hf://owner/name[/file]``, or find it in the cache."""
    match = _HUB_SOURCE.fullmatch(source)
    if match is None:
        raise InputError(f"{source}: expected hf://owner/name or hf://owner/name/file")
    try:
        import huggingface_hub
    except ImportError as error:
        raise InputError(f"{source}: needs huggingface_hub; install it with: pip install 'meddino[hub]'") from error
    repo, file = match["repo"], match["file"]
    if file is None:
        file = choose_weight_file(_list_hub_files(source, repo), where=source)
    try:
        return Path(huggingface_hub.hf_hub_download(repo, file))
    except Exception as error:
        raise _hub_error(source, error) from error


def _list_hub_files(source: str, repo: str) -> list[str]:
    """List a repository's files; without a connection, those in the cache."""
    import huggingface_hub

    try:
        return [entry.rfilename for entry in huggingface_hub.model_info(repo).siblings or []]
    except Exception as error:
        cached = _list_cached_files(repo)
        if not cached:
            raise _hub_error(source, error) from error
        return cached


def _list_cached_files(repo: str) -> list[str]:
    """List what the cache holds of a repository's main revision."""
    import huggingface_hub

    try:
        repos = huggingface_hub.scan_cache_dir().repos
    except huggingface_hub.CacheNotFound:
        return []
    revisions = [revision for entry in repos if entry.repo_id == repo for revision in entry.revisions]
    return [
        file.file_path.relative_to(revision.snapshot_path).as_posix()
        for revision in revisions
        if "main" in revision.refs
        for file in revision.files
    ]


def _hub_error(source: str, error: Exception) -> InputError:
    """Say what failed. Any exception counts: its type differs between versions of the library."""
    reason = (str(error).strip().splitlines() or [""])[0]
    message = f"{source}: not to be had from the hub nor from its cache ({type(error).__name__}: {reason})"
    if type(error).__name__ in {"GatedRepoError", "RepositoryNotFoundError"}:
        message += "; check the name, accept the licence on the repository's page and log in with: hf auth login"
    else:
        message += "; check the connection and HF_ENDPOINT, unset HF_HUB_OFFLINE, or give the path of a downloaded file"
    return InputError(message)


def verified_sha256(path: Path, expected: str | None = None) -> str:
    """Return the SHA-256 of ``path`` once it agrees with ``expected`` and with any ``<path>.sha256`` beside it.

    Raises:
        InputError: the file is not the one that was meant, or is damaged.
    """
    found = sha256_of(path)
    if expected is not None and found != expected.strip().lower():
        raise InputError(
            f"{path}: SHA-256 is {found}, expected {expected}; the file is damaged or another one was meant"
        )
    sidecar = Path(f"{path}.sha256")
    if sidecar.is_file():
        recorded = (sidecar.read_text(errors="replace").split() or [""])[0].lower()
        if found != recorded:
            raise InputError(
                f"{path}: SHA-256 is {found}, {sidecar.name} beside it says {recorded or 'nothing'}; "
                "copy the file again, or delete the .sha256 file if you replaced the weights on purpose"
            )
    return found


def check_stated_sha256(path: Path, stated: str | None) -> None:
    """Compare a file with the SHA-256 that the user states.

    A ``.pt2`` file needs one: torch unpickles what is in it, and a pickle can run any code (CVE-2026-4538). A
    ``.sha256`` file beside it is no statement: whoever made the one can have made the other.

    Raises:
        InputError: the file is missing or another one, what is stated is no SHA-256, or of a ``.pt2`` none is.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if stated is None:
        if path.suffix == ".pt2":
            raise InputError(
                f"{path}: refused, because reading a .pt2 file can run code: state the SHA-256 that `export` printed, "
                "or that you got by another way than the file, as --model_sha256; or export to .onnx"
            )
        return
    if not re.fullmatch(r"[0-9a-fA-F]{64}", str(stated)):
        raise InputError(f"{path}: the SHA-256 stated for it is {stated!r}; expected 64 hexadecimal digits")
    if (found := sha256_of(path)) != stated.lower():
        raise InputError(
            f"{path}: SHA-256 is {found}, but {stated} is stated: it is damaged or another file; take it again from "
            "where that number stands"
        )
