"""Compare the words typed for `monai.bundle run` with the values that arrived.

On its way here a value passes two languages: fire takes it for a Python literal (``2024_01_05`` is a number, what
follows ``#`` a remark) and MONAI takes ``#`` for ``::`` and evaluates what begins with ``$``, ``@`` or ``%``. For keys
that hold a text (`text_keys`) the text typed counts, and is put back; what would have been evaluated is refused.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import monai.bundle
from fire.parser import DefaultParseValue
from monai.bundle import ConfigParser
from monai.bundle.reference_resolver import ReferenceResolver
from monai.bundle.utils import EXPR_KEY, ID_REF_KEY, ID_SEP_KEY, MACRO_KEY

from ..errors import InputError
from .text_keys import holds_text, is_null
from .verbatim import keep

_EVALUATED = (EXPR_KEY, ID_REF_KEY, MACRO_KEY)
# arguments of MONAI's own, which are no keys of a configuration
_OF_MONAI = set(inspect.signature(monai.bundle.run).parameters) | {"workflow_name", "workflow_type", "properties_path"}


def arguments_of_monai() -> list[str] | None:
    """Return the words after ``monai.bundle run`` if that is this process's command line (also below torchrun)."""
    main = Path(monai.bundle.__file__).with_name("__main__.py")
    if len(sys.argv) < 2 or sys.argv[1] not in ("run", "run_workflow"):
        return None
    return sys.argv[2:] if os.path.realpath(sys.argv[0]) == os.path.realpath(main) else None


def typed_values(arguments: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Keys and the texts typed for them, as fire parts them: ``--key text``, ``--key=text``; None: ``--key`` alone."""
    left = list(arguments)
    while left:
        word = left.pop(0)
        if not _is_flag(word):
            continue
        name, equals, text = word.lstrip("-").partition("=")
        key = ReferenceResolver.normalize_id(name.replace("-", "_"))
        if equals:
            yield key, text
        else:
            yield key, None if not left or _is_flag(left[0]) else left.pop(0)


def restore_typed_text(parser: ConfigParser, config: Mapping[str, Any], arguments: Sequence[str]) -> None:
    """Have the readers of each key get what was typed for it.

    Args:
        parser: has parsed the configuration that is run, and resolved none of these keys.
        config: the configuration before anything was overridden, for the kinds of its keys.
        arguments: see `arguments_of_monai`.

    Raises:
        InputError: a key has no value or two, or its value would be evaluated or has arrived cut; the message names the
            key and says how to write it.
    """
    seen = set()
    for key, text in typed_values(arguments):
        if key in _OF_MONAI:
            continue
        if key in seen:
            raise InputError(f"--{key} is given twice: leave one out")
        seen.add(key)
        if holds_text(config, key):
            _restore_text(parser, key, text, null=is_null(config, key))
        elif text is not None and "#" in text:
            _restore_literal(parser, key, text)


def _restore_text(parser: ConfigParser, key: str, text: str | None, *, null: bool) -> None:
    if text is None:
        raise InputError(f"--{key} has no value: expected a text after it")
    if text == "None" and null:
        return  # as if it were not given
    value = _meant(key, text)
    for one in value if isinstance(value, list) else [value]:
        if not isinstance(one, str):
            continue
        if one.startswith(_EVALUATED):
            raise InputError(
                f"--{key}: '{one}' begins with '{one[0]}', which MONAI evaluates: write ./{one} for a file of that name"
            )
    _put(parser, key, text, value)


def _meant(key: str, text: str) -> Any:
    """The text; in quotes, what is between them; a list or mapping as Python writes one, unless a file is named so."""
    if not text.strip().startswith(("'", '"', "[", "(", "{")) or os.path.lexists(text):
        return text
    try:
        value = ast.literal_eval(text.strip())
    except (SyntaxError, ValueError):
        value = DefaultParseValue(text)
        if isinstance(value, str) and text.strip().startswith("[") and text.strip().endswith("]"):
            raise InputError(
                f"--{key}: '{text}' looks like a list: write each text in quotes, \"['a', 'b']\""
            ) from None
        if not isinstance(value, str) and "#" in text:
            raise InputError(
                f"--{key}: '{text}' is cut at its '#': write each text in quotes, \"['a', 'b']\""
            ) from None
    if not isinstance(value, (str, list, tuple, dict)):
        return text
    return list(value) if isinstance(value, tuple) else value


def _restore_literal(parser: ConfigParser, key: str, text: str) -> None:
    """Lists and mappings that hold texts with ``#``; anything else must not have been cut at one."""
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        value = text
    if text.startswith(_EVALUATED):
        return  # an expression, for a key that takes one
    if isinstance(value, (list, tuple, dict)) and repr(value).count("#") == text.count("#"):
        if any(one.startswith(_EVALUATED) for one in re.findall(r"""['"]([^'"]+)['"]""", text)):
            raise InputError(f"--{key}: '{text}' holds '#' beside what MONAI evaluates: put it into a JSON file")
        _put(parser, key, text, value)
    else:
        raise InputError(f"--{key}: '{text}' is cut at its '#': leave it out, or write texts in quotes")


def _put(parser: ConfigParser, key: str, text: str, value: Any) -> None:
    if ID_SEP_KEY not in key:
        keep(parser, key, value)
    elif "#" in text:
        raise InputError(
            f"--{key}: MONAI changes '#' in '{text}' to '::' there: rename it, or set a key of the top level"
        )
    else:
        parent, _, name = key.rpartition(ID_SEP_KEY)
        parser.get(parent)[name] = value


def _is_flag(word: str) -> bool:
    return word.startswith("--") or re.match("-[a-zA-Z]", word) is not None
