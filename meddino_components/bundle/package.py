"""A bundle as one zip: its configurations, the components they name, licences, and weights if there are any."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml

import meddino_components

from ..checkpoints import WeightsRecord, read_payload, read_record
from ..errors import InputError
from ..files import OutputFolder, sha256_of, write_text
from ..project import ADDRESS
from .archive import sha1_of, unpack, write_archive
from .contents import WEIGHTS, code_problems, content_problems, one_line
from .of_weights import config_of_weights, metadata_of_weights
from .packaged_weights import check_packaged_weights
from .release_checks import check_release
from .shipped import SHIPPED, named_bundle

MODEL_INFO = "model_info.json"
_MODEL = "models/model.pt"
# of the components; nothing else of the package's folder is shipped
_COMPONENT_SUFFIXES = {".py", ".typed", ".html", ".json", ".yaml"}
# of the components: the bundles themselves, and what demos and tests alone need
_NOT_RELEASED = (SHIPPED, "phantoms")
# hand-written layers need the other bundles' shared ones, so the JSON made of them is shipped
_NOT_SHIPPED = {"sources", "models", "eval", "output", "__pycache__", ".meddino"}


def package(
    bundle_dir: str | Path,
    output_dir: str | Path = "dist",
    model: str | Path | None = None,
    model_url: str | None = None,
    releases: str | None = None,
) -> Path:
    """Build ``<name>_v<version>.zip`` of a bundle and check what it holds.

    The zip is self-contained: `monai.bundle download` and `run` need only the packages that ``metadata.json`` lists.
    The same input gives the same bytes. ``<zip>.sha256`` is written next to it, and ``model_info.json`` lists all
    bundles in the folder, as in the model zoo.

    Args:
        bundle_dir: folder or name of the bundle; its ``configs`` must be up to date.
        output_dir: folder for the zip.
        model: weights to ship as ``models/model.pt``, as written by training. Labels, channels and settings in the
            configurations and the metadata are taken from their record.
        model_url: address from which these weights can be downloaded. The zip then does not contain them, but
            ``large_files.yml`` with the address and the SHA-256 (for `monai.bundle download_large_files`).
        releases: address of the folder from which the zip will be served, for ``model_info.json``; by default that of
            the project's releases. If there is none, only the name of the zip is listed.

    Returns:
        The zip.

    Raises:
        InputError: the folder is no bundle, or the bundle breaks a rule, see `check_release`; the weights do not fit
            the bundle completely, see `check_packaged_weights`; ``output_dir`` holds a file of the user's or is in use
            by another process. No zip is written then.
    """
    root = named_bundle(bundle_dir).resolve()
    if not (root / "configs" / "metadata.json").is_file():
        raise InputError(f"{bundle_dir}: no configs/metadata.json; give the folder of a bundle")
    with tempfile.TemporaryDirectory() as folder:
        files = _shipped_files(root, Path(folder), None if model is None else Path(model), model_url)
        _check_before(root, files)
        if model is not None and (record := read_record(model)) is not None:
            files |= _files_of_weights(files, record, Path(model), Path(folder))
        metadata = json.loads(files["configs/metadata.json"].read_text(encoding="utf-8"))
        target = Path(output_dir) / f"{metadata['name']}_v{metadata['version']}.zip"
        dist = OutputFolder(target.parent)
        with dist.held((target.name, _sha256_name(target), MODEL_INFO)), dist.files() as atomic:
            draft = atomic.path(target)
            sha256 = write_archive({f"{metadata['name']}/{member}": path for member, path in files.items()}, draft)
            # what is checked is what a user unpacks
            unpacked = unpack(draft, Path(folder) / "unpacked")
            check_release(unpacked)
            if model is not None:
                check_packaged_weights(unpacked, Path(model))
            write_text(atomic.path(target.with_name(_sha256_name(target))), f"{sha256}  {target.name}\n")
            known = _with_entry(target, sha1_of(draft), _served_at(releases, target.name))
            write_text(atomic.path(target.with_name(MODEL_INFO)), known)
    return target


def _served_at(releases: str | None, name: str) -> str:
    folder = releases or (None if ADDRESS is None else f"{ADDRESS}/releases/download/bundles")
    return name if folder is None else f"{folder.rstrip('/')}/{name}"


def _sha256_name(archive: Path) -> str:
    return f"{archive.name}.sha256"


def _check_before(root: Path, files: Mapping[str, Path]) -> None:
    """Refuse what a bundle does not hold before any of it is copied, used as a name or run.

    Raises:
        InputError: names the file and what is wrong with it.
    """

    def read(member: str) -> bytes:
        return files[member].read_bytes()

    if problems := content_problems(files, read) or code_problems(files, read):
        raise InputError(f"{root}: {one_line(problems)}: it cannot be packaged")
    for path in files.values():
        if path.suffix in WEIGHTS:
            read_payload(path)


def _shipped_files(root: Path, scratch: Path, model: Path | None, model_url: str | None) -> dict[str, Path]:
    members = [path for path in sorted(root.rglob("*")) if not _NOT_SHIPPED & set(path.relative_to(root).parts)]
    if links := [path for path in members if path.is_symlink()]:
        raise InputError(f"{links[0]}: is a link; the archive needs the file itself: copy it there")
    files = {path.relative_to(root).as_posix(): path for path in members if path.is_file()}
    components = Path(meddino_components.__file__).parent
    for path in sorted(components.rglob("*")):
        if (
            path.is_file()
            and path.suffix in _COMPONENT_SUFFIXES
            and path.relative_to(components).parts[0] not in _NOT_RELEASED
        ):
            files[f"{components.name}/{path.relative_to(components).as_posix()}"] = path
    if model is None:
        return files
    if not model.is_file():
        raise InputError(f"{model}: no such file; --model names the weights that training wrote")
    sha256 = sha256_of(model)
    if model_url is None:
        files[_MODEL] = model
        files[f"{_MODEL}.sha256"] = scratch / "model.pt.sha256"
        files[f"{_MODEL}.sha256"].write_text(f"{sha256}  {Path(_MODEL).name}\n", encoding="utf-8")
    else:
        files["large_files.yml"] = scratch / "large_files.yml"
        entry = {"path": _MODEL, "url": model_url, "hash_val": sha256, "hash_type": "sha256"}
        files["large_files.yml"].write_text(yaml.safe_dump({"large_files": [entry]}, sort_keys=False), encoding="utf-8")
    return files


def _files_of_weights(files: Mapping[str, Path], record: WeightsRecord, model: Path, scratch: Path) -> dict[str, Path]:
    """The configurations and the metadata rewritten for the weights; MONAI Label reads labels and trains by them."""
    name = json.loads(files["configs/metadata.json"].read_text(encoding="utf-8"))["name"]
    if not record.labels or record.architecture is None or record.bundle not in (None, name):
        raise InputError(
            f"{model}: its record names bundle {record.bundle or 'none'}, but {name} is packaged: package the weights "
            "with their own bundle"
        )
    rewritten = {}
    for member in ("metadata", "train", "evaluate", "inference"):
        source = files.get(f"configs/{member}.json")
        if source is None:
            continue
        content = json.loads(source.read_text(encoding="utf-8"))
        change = metadata_of_weights if member == "metadata" else config_of_weights
        rewritten[f"configs/{member}.json"] = scratch / f"{member}.json"
        text = json.dumps(change(content, record), indent=4, ensure_ascii=False) + "\n"
        rewritten[f"configs/{member}.json"].write_text(text, encoding="utf-8")
    return rewritten


def _with_entry(archive: Path, checksum: str, source: str) -> str:
    """``model_info.json`` with this archive among those that are in it."""
    path = archive.with_name(MODEL_INFO)
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    known[archive.stem] = {"checksum": checksum, "source": source}
    return json.dumps(dict(sorted(known.items())), indent=4) + "\n"
