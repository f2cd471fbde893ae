"""Describe a command from its source, and import it only when it is called."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..shared_options import flattened, merged_docstring, required_first

# this package's folder; to find a module's file, importlib would import the packages above it
_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Command:
    """A function of this project.

    Attributes:
        module: name of its module, without ``meddino_components``.
        function: name of the function in that module.
    """

    module: str
    function: str

    def is_there(self) -> bool:
        """Return whether the module's file exists."""
        return _file_of(self.module).is_file()

    def load(self) -> Callable[..., Any]:
        """Import the function's module and return the function."""
        module = importlib.import_module(f"{_ROOT.name}.{self.module}")
        function: Callable[..., Any] = getattr(module, self.function)
        return function

    def described(self) -> Callable[..., Any]:
        """Return a function with the same parameters and docstring that does nothing; imports nothing.

        Annotations stay strings. Defaults must be literals.
        """
        definition = _definition(_file_of(self.module), self.function)
        assert isinstance(definition, ast.FunctionDef)
        docstring = ast.get_docstring(definition) or ""
        if any(isinstance(one, ast.Name) and one.id == flattened.__name__ for one in definition.decorator_list):
            docstring = _flatten(definition, _file_of(self.module), docstring)
        definition.body, definition.decorator_list = [ast.Expr(ast.Constant(docstring))], []
        future = ast.ImportFrom("__future__", [ast.alias("annotations")], 0)
        content: dict[str, Any] = {}
        code = ast.fix_missing_locations(ast.Module([future, definition], []))
        exec(compile(code, self.module, "exec"), content)
        described: Callable[..., Any] = content[self.function]
        return described


def _file_of(module: str) -> Path:
    return _ROOT.joinpath(*module.split(".")).with_suffix(".py")


def _definition(path: Path, name: str) -> ast.FunctionDef | ast.ClassDef:
    """Find a function or class in a module, or in the neighbouring module from which it is imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
            return node
        if isinstance(node, ast.ImportFrom) and node.level == 1 and name in [alias.name for alias in node.names]:
            return _definition(path.with_name(f"{node.module}.py"), name)
    raise LookupError(f"{path}: defines no {name}")


def _flatten(definition: ast.FunctionDef, path: Path, docstring: str) -> str:
    """Replace dataclass parameters by their fields, as `flattened` does; return the combined docstring."""
    arguments = definition.args
    n_required = len(arguments.args) - len(arguments.defaults)
    defaults: list[ast.expr | None] = [*[None] * n_required, *arguments.defaults]
    found: dict[str, tuple[ast.arg, ast.expr | None]] = {}
    docstrings = []
    for argument, default in zip(arguments.args, defaults, strict=True):
        options = _dataclass(argument, path)
        if options is None:
            found.setdefault(argument.arg, (argument, default))
            continue
        docstrings.append(ast.get_docstring(options) or "")
        for field in options.body:
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                name = field.target.id
                found.setdefault(name, (ast.arg(name, field.annotation), field.value))
    ordered = required_first(found.values(), lambda one: one[1] is None)
    arguments.args = [argument for argument, _ in ordered]
    arguments.defaults = [default for _, default in ordered if default is not None]
    return merged_docstring(docstring, docstrings)


def _dataclass(argument: ast.arg, path: Path) -> ast.ClassDef | None:
    if not isinstance(argument.annotation, ast.Name):
        return None
    try:
        found = _definition(path, argument.annotation.id)
    except LookupError:  # str, or a class of another room
        return None
    return found if isinstance(found, ast.ClassDef) else None
