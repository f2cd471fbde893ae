"""Check a bundle before its release: MONAI's verification, the Model Zoo's rules, and ours."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from monai.bundle.properties import InferProperties, TrainProperties
from monai.utils import BundleProperty, BundlePropertyConfig

from ..checkpoints import read_payload, verified_sha256
from ..errors import InputError
from .contents import WEIGHTS, code_problems, content_problems

REQUIRED_FILES = (
    "LICENSE",
    "configs/metadata.json",
    "configs/inference.json",
    "docs/README.md",
    "docs/data_license.txt",
    "docs/weights_license.txt",
)
# begins a text that `new_bundle` cannot know; a bundle that holds it is not released
UNSTATED = "STATE HERE"
_SCHEMA = Path(__file__).with_name("metadata_schema.json")


def check_release(root: Path, *, net_id: str = "network_def") -> list[str]:
    """Check an unpacked bundle with the components that it carries itself.

    Args:
        root: the bundle's folder.
        net_id: key of the network in ``configs/inference.json``.

    Returns:
        What was checked, a line each.

    Raises:
        InputError: names every rule that is broken, with the file.
    """
    checks = _problems(root)
    if found := [problem for problems in checks.values() for problem in problems]:
        raise InputError(f"{root.name} cannot be released: {'; '.join(found)}")
    done = [f"{name}: kept" for name in checks]
    # MONAI's own last: they run the bundle's code
    files = ["--meta_file", "configs/metadata.json"]
    _run_monai(root, "verify_metadata", *files, "--filepath", str(_SCHEMA))
    _run_monai(
        root,
        "verify_net_in_out",
        net_id,
        *files,
        "--config_file",
        "configs/inference.json",
        "--n",
        "2",
        "--device",
        "cpu",
    )
    return [*done, "monai.bundle verify_metadata: passed", "monai.bundle verify_net_in_out: passed"]


def _problems(root: Path) -> dict[str, list[str]]:
    paths = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*"))}
    links = [name for name, path in paths.items() if path.is_symlink()]
    plain = {name: path for name, path in paths.items() if name not in links and not path.is_dir()}
    checks = {
        "files": [
            *(f"{name} is missing" for name in REQUIRED_FILES if name not in plain),
            *(f"{name} is a link: the archive needs the file itself" for name in links),
        ],
        "contents": content_problems(plain, lambda name: plain[name].read_bytes()),
        "components": code_problems(plain, lambda name: plain[name].read_bytes()),
    }
    if any(checks.values()):
        return checks
    metadata = _read_json(root / "configs" / "metadata.json")
    return {
        **checks,
        "metadata": list(_metadata_problems(root, metadata)),
        "keys": list(_key_problems(root, metadata)),
        "weights": weight_problems(root),
    }


def _metadata_problems(root: Path, metadata: Mapping[str, Any]) -> Iterator[str]:
    where = "configs/metadata.json"
    if metadata.get("version") not in metadata.get("changelog", {}):
        yield f"{where}: version {metadata.get('version')} is not in its changelog"
    if metadata.get("name") != root.name:
        yield f"{where}: its name is {metadata.get('name')}, the folder's {root.name}"
    version = _components_version(root)
    if metadata.get("meddino_components_version") != version:
        yield (
            f"{where}: meddino_components_version is {metadata.get('meddino_components_version')}, the components "
            f"beside it are {version}"
        )
    for name in (where, "docs/README.md", "docs/data_license.txt"):
        if UNSTATED in (root / name).read_text(encoding="utf-8"):
            yield f"{name}: holds {UNSTATED!r}, which new_bundle left to its author: write what is asked for there"


def _components_version(root: Path) -> str | None:
    text = (root / "meddino_components" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r"^__version__ = ['\"](.+)['\"]$", text, re.MULTILINE)
    return found and found[1]


def _key_problems(root: Path, metadata: Mapping[str, Any]) -> Iterator[str]:
    """The keys that MONAI requires of a workflow, which MONAI Label and the zoo's tests read."""
    output = metadata.get("network_data_format", {}).get("outputs", {}).get("pred", {})
    if output.get("format") != "segmentation":
        return
    for name, properties in (("inference", InferProperties), ("train", TrainProperties)):
        path = root / "configs" / f"{name}.json"
        config = _read_json(path) if path.is_file() else {}
        for item in properties.values():
            key = item[BundlePropertyConfig.ID]
            if item[BundleProperty.REQUIRED] and not _has(config, key.split("::")):
                yield f"configs/{name}.json has no {key}, which MONAI requires"


def _has(config: Any, keys: list[str]) -> bool:
    for key in keys:
        if not isinstance(config, dict) or key not in config:
            return False
        config = config[key]
    return True


def weight_problems(root: Path) -> list[str]:
    """Return the problems of the weights in an unpacked bundle, one line each, without running any code."""
    found = []
    for path in sorted(path for path in (root / "models").glob("*") if path.suffix in WEIGHTS):
        try:
            verified_sha256(path)
            read_payload(path)
        except InputError as error:
            found.append(str(error))
    return found


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object")
    return content


def _run_monai(root: Path, *arguments: str) -> None:
    """A ``monai.bundle`` command in the bundle's folder, where its own components are found first."""
    done = subprocess.run(
        [sys.executable, "-m", "monai.bundle", *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise InputError(f"{root.name}: monai.bundle {arguments[0]} fails: {done.stderr.strip().splitlines()[-1]}")
