"""What a bundle must fulfil before it is released: MONAI's verification, the model zoo's rules, and ours."""

from __future__ import annotations

import ast
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

from ..checkpoints import read_payload
from ..errors import InputError

REQUIRED_FILES = (
    "LICENSE",
    "configs/metadata.json",
    "configs/inference.json",
    "docs/README.md",
    "docs/data_license.txt",
    "docs/weights_license.txt",
)
# what a bundle may hold; pickles and compiled code are not among them. `.pt` is read with weights_only=True
SUFFIXES = {".json", ".yml", ".conf", ".md", ".txt", ".png", ".py", ".typed", ".html", ".pt", ".sha256", ""}
# components of a released configuration: ours, MONAI's by their short names, and these
TARGETS = {
    "ignite.handlers.ProgressBar",
    "monai.handlers.IgniteMetricHandler",
    "monai.metrics.DiceMetric",
    "monai.optimizers.generate_param_groups",
    "monai.utils.set_determinism",
    "torch.Generator",
    "torch.optim.AdamW",
    "torch.optim.lr_scheduler.PolynomialLR",
    "torch.utils.data.DataLoader",
}
_OUR_TARGETS = "meddino_components."
# what no expression of a configuration has any use for
_FORBIDDEN_NAMES = {"eval", "exec", "compile", "open", "__import__", "globals", "getattr", "setattr", "vars", "input"}
_FORBIDDEN_MODULES = {"os", "sys", "subprocess", "shutil", "socket", "pickle", "importlib", "builtins", "ctypes"}
# not what is appended to the bundle's own folder: `@bundle_root + '/models'`
_ABSOLUTE_PATH = re.compile(r"(?:^|(?<!\+ )['\"]|[\s=(])(?:/(?!/)[\w.-]+/|~/|[A-Za-z]:[\\/]|file://)")
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
    metadata = _read_json(root / "configs" / "metadata.json")
    checks = {
        "files": _file_problems(root),
        "metadata": _metadata_problems(root, metadata),
        "keys": _key_problems(root, metadata),
        "components": _target_problems(root),
        "expressions": _expression_problems(root),
        "paths": _path_problems(root),
        "weights": _weight_problems(root),
    }
    if found := [problem for problems in checks.values() for problem in problems]:
        raise InputError(f"{root.name} cannot be released:\n- " + "\n- ".join(found))
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


def _file_problems(root: Path) -> Iterator[str]:
    for name in REQUIRED_FILES:
        if not (root / name).is_file():
            yield f"{name} is missing"
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            yield f"{path.relative_to(root)} is a link: the archive needs the file itself"
        elif path.is_file() and path.suffix not in SUFFIXES:
            yield f"{path.relative_to(root)}: files of this kind have no place in a bundle"
    # the zoo prefers .yaml where both are there, MONAI Label what it finds first
    for path in sorted((root / "configs").glob("*.y*ml")):
        yield f"configs/{path.name} lies beside the JSON that is run: keep one of them"


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


def _target_problems(root: Path) -> Iterator[str]:
    for path, value in _values(root, "_target_"):
        is_short = "." not in value and value.isidentifier()
        if not (value.startswith(_OUR_TARGETS) or is_short or value in TARGETS):
            yield f"{path}: the component {value} is not among those that a bundle may use"


def _expression_problems(root: Path) -> Iterator[str]:
    """Expressions do arithmetic and call components; what reaches for files, modules or processes is refused."""
    for path, value in _values(root, None):
        if not value.startswith("$"):
            continue
        # references are resolved before Python sees the text
        text = re.sub(r"[@%][\w:.#-]*\w", "reference", value[1:])
        try:
            tree = ast.parse(text.strip())
        except SyntaxError:
            yield f"{path}: '{value}' is no Python expression"
            continue
        for node in ast.walk(tree):
            name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
            is_import = isinstance(node, (ast.Import, ast.ImportFrom))
            if is_import or name in _FORBIDDEN_NAMES | _FORBIDDEN_MODULES or name.startswith("__"):
                yield f"{path}: the expression '{value}' uses {name or 'import'}"
                break


def _path_problems(root: Path) -> Iterator[str]:
    for path, value in _values(root, None):
        if _ABSOLUTE_PATH.search(value):
            yield f"{path}: '{value}' names a path of one machine"


def _weight_problems(root: Path) -> Iterator[str]:
    for path in sorted((root / "models").glob("*.pt")):
        try:
            read_payload(path)
        except InputError as error:
            yield str(error)


def _values(root: Path, key: str | None) -> Iterator[tuple[str, str]]:
    """(file, text) of every text in the configurations, or of those under one key."""
    for path in sorted((root / "configs").glob("*.json")):
        if path.name != "metadata.json":
            for name, value in _texts(_read_json(path)):
                if key is None or name == key:
                    yield f"configs/{path.name}", value


def _texts(node: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key != "_desc_":
                yield from _texts(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value, name)
    elif isinstance(node, str):
        yield name, node


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
