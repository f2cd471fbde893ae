"""A command that is imported when it is called, and whose help is read from its source."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# of this package; importlib's own look for a module's file would import the packages above it
_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Command:
    """A function of this project.

    Attributes:
        module: in which it is defined, without ``meddino_components``.
        function: its name there.
    """

    module: str
    function: str

    def load(self) -> Callable[..., Any]:
        """The function itself; imports what it needs."""
        module = importlib.import_module(f"{_ROOT.name}.{self.module}")
        function: Callable[..., Any] = getattr(module, self.function)
        return function

    def described(self) -> Callable[..., Any]:
        """A function with the same parameters and docstring that does nothing; imports nothing.

        Annotations stay texts. Defaults have to be literals.
        """
        path = _ROOT.joinpath(*self.module.split(".")).with_suffix(".py")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        (definition,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == self.function)
        definition.body, definition.decorator_list = definition.body[:1], []
        future = ast.ImportFrom("__future__", [ast.alias("annotations")], 0)
        content: dict[str, Any] = {}
        code = ast.fix_missing_locations(ast.Module([future, definition], []))
        exec(compile(code, str(path), "exec"), content)
        described: Callable[..., Any] = content[self.function]
        return described
