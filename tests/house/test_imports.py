"""Rooms import downwards only, as docs/architecture.md lists them, and inference loads none that it has no use for."""

import ast
import json
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from bundle_configs import BUNDLES, is_segmentation
from command_lines import REPOSITORY, environment, run_command

from meddino_components.bundle.allowed import COMPONENTS

PACKAGE = "meddino_components"
APART_FROM_INFERENCE = {"evaluation", "probing", "self_distillation", "training"}


def modules() -> dict[str, Path]:
    """Files of the package by the name below it, such as ``data.volumes.loading``; "" is the package itself."""
    root = REPOSITORY / PACKAGE
    return {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix("__init__").rstrip("."): path
        for path in root.rglob("*.py")
    }


MODULES = modules()


def imports(module: str) -> Iterator[str]:
    """Of our modules those that one imports, wherever in its file."""
    parts = [PACKAGE, *filter(None, module.split("."))]
    package = parts if MODULES[module].name == "__init__.py" else parts[:-1]
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            found = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in found:
            first, _, below = name.partition(".")
            if first == PACKAGE:
                # a module, or a name in one
                yield below if below in MODULES else below.rpartition(".")[0]


def stated_levels() -> dict[str, int]:
    """Rooms by the line on which docs/architecture.md lists them, the lowest 0."""
    text = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = text.partition("## Rooms\n")[2].partition("\n## ")[0]
    lines = [line.strip().split(", ") for line in section.splitlines() if line.startswith("    ")]
    rooms = [room for line in lines for room in line]
    assert len(rooms) == len(set(rooms)) > 30
    return {room: level for level, line in enumerate(reversed(lines)) for room in line}


LEVELS = stated_levels()


def room_of(module: str) -> str:
    parts = module.split(".")
    above = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next(name for name in above if name in LEVELS)


def test_every_room_is_there_and_every_module_in_one():
    assert [room for room in LEVELS if room not in MODULES] == []
    assert {room_of(module) for module in MODULES if module} == set(LEVELS)


@pytest.mark.parametrize("room", sorted(LEVELS))
def test_a_room_imports_from_lower_ones_only(room):
    upwards = [
        f"{module} imports {other}"
        for module in MODULES
        if module and room_of(module) == room
        for other in imports(module)
        if other and room_of(other) != room and LEVELS[room_of(other)] >= LEVELS[room]
    ]
    assert upwards == []


def test_imports_go_in_no_circle():
    graph = {module: set(imports(module)) - {module, ""} for module in MODULES if module}
    # a package imports its files, and those never what it re-exports
    assert len(list(TopologicalSorter(graph).static_order())) == len(graph)


@cache  # most bundles name the same components
def loaded_by(code: str) -> set[str]:
    """Our modules that a fresh interpreter has after some code."""
    shown = "import json, sys; print(json.dumps([name for name in sys.modules if name.startswith('meddino_comp')]))"
    printed = run_command(sys.executable, "-c", f"{code}\n{shown}", env=environment())
    return {name.removeprefix(PACKAGE).removeprefix(".") for name in json.loads(printed.splitlines()[-1])}


def components_of(bundle: Path, name: str) -> list[str]:
    text = (bundle / "configs" / f"{name}.json").read_text(encoding="utf-8")
    return sorted(component for component in COMPONENTS if f'"{component}"' in text)


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_inference_loads_neither_evaluation_nor_training(bundle):
    named = components_of(bundle, "inference")
    # what its kind of network needs: segmentation networks are placed and run, encoders embed
    rooms = {"bundle", "inference", "placement"} if is_segmentation(bundle) else {"bundle", "embeddings"}
    assert {name.split(".")[1] for name in named} >= rooms
    lines = [f"from {name.rpartition('.')[0]} import {name.rpartition('.')[2]}" for name in named]
    loaded = loaded_by("\n".join(lines))
    assert rooms <= loaded
    assert {name.split(".")[0] for name in loaded} & APART_FROM_INFERENCE == set()


def test_segment_loads_neither_evaluation_nor_training():
    loaded = loaded_by("from meddino_components.bundle.segment import segment")
    assert "inference" in loaded
    assert {name.split(".")[0] for name in loaded} & APART_FROM_INFERENCE == set()
