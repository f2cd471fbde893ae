"""Check that the packages of the report are installed before anything is computed."""

from __future__ import annotations

from importlib.util import find_spec

from ..errors import InputError
from ..project import extra


def check_report_extra() -> None:
    """Refuse to begin without the packages that draw the report.

    Raises:
        InputError: matplotlib or jinja2 is not installed.
    """
    missing = [name for name in ("jinja2", "matplotlib") if find_spec(name) is None]
    if missing:
        raise InputError(f"the report needs {' and '.join(missing)}: {extra('report')}")
