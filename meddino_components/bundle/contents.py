"""Check the contents of a bundle without running or importing any of it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import meddino_components

from ..errors import InputError
from .configurations import evaluated_problems, path_problems, shown

COMPONENTS = "meddino_components"
# names of what a bundle is made of. Whatever is not among them would be found by an import (the bundle's folder is put
# on Python's path), by a macro of a configuration, or by nobody
_PLACES = re.compile(
    r"LICENSE|large_files\.yml"
    r"|configs/(?:\w[\w-]*\.json|logging\.conf)"
    r"|docs/\w[\w.-]*\.(?:md|txt|png)"
    r"|models/\w[\w.-]*\.(?:pt|safetensors)(?:\.sha256)?"
    rf"|{COMPONENTS}/(?:\w+/)*\w+\.(?:py|typed|html|json|yaml)",
    re.ASCII,
)
_HASH_LINE = re.compile(r"[0-9a-f]{64}(?:  ?[\w.-]+)?\s*", re.ASCII)
_PNG = b"\x89PNG\r\n\x1a\n"
WEIGHTS = (".pt", ".safetensors")
Read = Callable[[str], bytes]


def content_problems(names: Iterable[str], read: Read) -> list[str]:
    """Return the problems of a bundle's files, one line each, beginning with the file's name.

    Weights are not looked into (`read_payload` does), nor is the code compared (`code_problems` does).

    Args:
        names: all files, relative to the bundle's folder, with forward slashes.
        read: returns the content of a file.
    """
    names = sorted(names)
    return [
        *_name_problems(names),
        *(problem for name in names if _is_place(name) for problem in _problems(name, read)),
    ]


def code_problems(names: Iterable[str], read: Read) -> list[str]:
    """Components in a bundle whose bytes are not those of the package that is running, a line each."""
    own = Path(meddino_components.__file__).parent
    found = []
    for name in sorted(names):
        if name.startswith(f"{COMPONENTS}/") and _is_place(name):
            path = own / name.removeprefix(f"{COMPONENTS}/")
            if not path.is_file():
                found.append(f"{name}: is no file of meddino_components {meddino_components.__version__}")
            elif path.read_bytes() != read(name):
                found.append(f"{name}: is not that of meddino_components {meddino_components.__version__}")
    return found


def check_what_runs(root: Path, configurations: Iterable[Path]) -> None:
    """Refuse to run a bundle whose configurations go beyond what a released one may.

    Args:
        root: the bundle's folder.
        configurations: configurations that will be run. The metadata and the logging settings beside them are
            evaluated, too, and imports would find code in the folder.

    Raises:
        InputError: names the file and the value.
    """
    problems = []
    always = [root / "configs" / name for name in ("metadata.json", "logging.conf")]
    for path in [*configurations, *always]:
        if path.is_file():
            name = f"configs/{path.name}"
            problems += [f"{root / problem}" for problem in evaluated_problems(name, path.read_bytes())]
    for path in sorted(root.iterdir()) if root.is_dir() else []:
        is_code = path.suffix in (".py", ".pyc", ".so", ".pyd") or (path / "__init__.py").is_file()
        if is_code and path.name != COMPONENTS:
            problems.append(f"{path}: is code beside the bundle's components")
    code = {path.relative_to(root).as_posix(): path for path in (root / COMPONENTS).rglob("*.py")}
    problems += [f"{root / problem}" for problem in code_problems(code, lambda name: code[name].read_bytes())]
    if problems:
        raise InputError(
            f"{one_line(problems)}. This command runs only what a released bundle may hold: if you have read it and "
            "trust it, run it by `python -m monai.bundle run`"
        )


def one_line(problems: list[str]) -> str:
    """The first of several problems and the number of the others."""
    others = f" (and {len(problems) - 1} more like it)" if len(problems) > 1 else ""
    return problems[0] + others


def _is_place(name: str) -> bool:
    return _PLACES.fullmatch(name) is not None


def _name_problems(names: list[str]) -> Iterator[str]:
    # folders of some systems take these for one
    seen: dict[str, str] = {}
    for name in names:
        same = unicodedata.normalize("NFKC", name).casefold()
        if same in seen:
            yield f"{shown(name)[1:-1]}: differs from {shown(seen[same])} in nothing that every system keeps"
        seen[same] = name
        if not _is_place(name):
            yield f"{shown(name)[1:-1]}: has no place in a bundle"


def _problems(name: str, read: Read) -> Iterator[str]:
    if name.startswith("configs/") or name == "large_files.yml":
        data = read(name)
        yield from evaluated_problems(name, data)
        if name not in ("configs/metadata.json", "configs/logging.conf", "large_files.yml"):
            yield from path_problems(name, data)
    elif name.endswith(".sha256"):
        if not _HASH_LINE.fullmatch(read(name).decode("latin-1")):
            yield f"{name}: is no SHA-256"
    elif name.endswith(".png"):
        if not read(name).startswith(_PNG):
            yield f"{name}: is no PNG picture"
    elif not name.endswith(WEIGHTS) and not name.startswith(f"{COMPONENTS}/"):
        try:
            is_text = "\0" not in read(name).decode("utf-8")
        except UnicodeDecodeError:
            is_text = False
        if not is_text:
            yield f"{name}: is no text"
