"""Check that an expression of a configuration uses only what is allowed, without evaluating it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from monai.bundle import ReferenceResolver

from .allowed import ATTRIBUTES, CALLS, VALUES

# arithmetic, comparison and choice. No power (9**9**9), no formatted text (which calls what it formats), no
# comprehension, assignment or star
_PLAIN = (
    ast.Expression, ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Slice, ast.IfExp, ast.Load, ast.BinOp, ast.Add,
    ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.Compare,
    ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Is, ast.IsNot, ast.In, ast.NotIn, ast.Subscript,
)  # fmt: skip
# under this name MONAI puts the references of an expression
_REFERENCES = "__local_refs"
_MODULES = {"monai", "np", "numpy", "torch"}
_MAX_LENGTH = 2000
# "@#a" and "@::a" are looked up from where the expression stands: MONAI puts the names of the keys above into its text
_RELATIVE = re.compile(r"[@%](?:#|::)")


def expression_problem(text: str) -> str | None:
    """Return the problem of a text that begins with ``$``; None if it may be evaluated.

    References are put in first, as MONAI does it: it replaces ``@name`` everywhere, within quotes, too.
    """
    if len(text) > _MAX_LENGTH:
        return f"is longer than {_MAX_LENGTH} characters"
    if _RELATIVE.search(text):
        return "uses a relative reference: write the whole name"
    code = ReferenceResolver.update_refs_pattern(text, ReferenceResolver.match_refs_pattern(text))[1:]
    try:
        # statements are refused here: MONAI runs those that import
        tree = ast.parse(code.lstrip(" \t"), mode="eval")
        return next((f"uses {found}" for found in _refused(tree, frozenset())), None)
    except (SyntaxError, ValueError):
        return "is no Python expression"
    except (RecursionError, MemoryError):
        return "is nested too deeply"


def _refused(node: ast.AST, variables: frozenset[str]) -> Iterator[str]:
    """Return a forbidden part of an expression; ``variables`` are the arguments of the lambdas around it."""
    match node:
        case ast.Call():
            yield from _refused_call(node, variables)
            return
        case ast.Lambda(args=arguments, body=body):
            names = {argument.arg for argument in arguments.args}
            if len(names) != len(list(ast.walk(arguments))) - 1:
                yield "a lambda with more than plain arguments"
            if taken := names & (_MODULES | CALLS.keys() | {_REFERENCES}):
                yield f"{min(taken)} as an argument"
            yield from _refused(body, variables | names)
            return
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant()) if name == _REFERENCES:
            return
        case ast.Attribute(value=value, attr=name):
            path = _dotted(node, variables)
            if path in VALUES:
                return
            if path is not None or name not in ATTRIBUTES:
                yield path or name
                return
            yield from _refused(value, variables)
            return
        case ast.Name(id=name):
            if name not in variables:
                yield name
            return
        case _ if not isinstance(node, _PLAIN):
            yield type(node).__name__
            return
    for child in ast.iter_child_nodes(node):
        yield from _refused(child, variables)


def _refused_call(node: ast.Call, variables: frozenset[str]) -> Iterator[str]:
    path = _dotted(node.func, variables)
    if path is None:
        # a method: of what, is looked at as any other part
        if not isinstance(node.func, ast.Attribute):
            yield "the call of a value"
            return
        yield from _refused(node.func, variables)
        if node.keywords:
            yield f"{node.func.attr} with named arguments"
    elif path not in CALLS:
        yield path
        return
    else:
        by_position, names = CALLS[path]
        given = {keyword.arg or "**" for keyword in node.keywords}
        if len(node.args) > by_position or not given <= names:
            named = f", named {' or '.join(sorted(names))}" if names else ", none by name"
            yield f"{path} with other arguments than {by_position} by position{named}"
    for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
        yield from _refused(argument, variables)


def _dotted(node: ast.AST, variables: frozenset[str]) -> str | None:
    """``torch.cuda.is_available`` of such a chain of names, if a module or a function of Python's is at its start."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name) and node.id not in variables and node.id != _REFERENCES:
        return ".".join([node.id, *reversed(names)])
    return None
