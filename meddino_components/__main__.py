"""``meddino`` and ``python -m meddino_components``: thin commands over the components and the bundles.

Nothing that takes time is imported before a command is called, so that help is there at once.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import __version__
from .command_line import Command, dispatch
from .last_line import STATUS, print_last_line

_COMMANDS: dict[str, Any] = {
    "segment": Command("bundle.segment", "segment"),
    "series": Command("commands", "series"),
    "import_weights": Command("commands", "import_weights"),
    "phantom": Command("phantoms.command", "phantom"),
    "plan": Command("data.cases.plan", "plan"),
    "curate": Command("data.curation.run", "curate"),
    "export": Command("export.command", "export"),
    "figure": {
        "resolutions": Command("figures.commands", "figure_resolutions"),
        "similarity": Command("figures.commands", "figure_similarity"),
        "checkpoints": Command("figures.commands", "figure_checkpoints"),
    },
    "bundle": Command("bundle.shipped", "copy_bundle"),
    "new_bundle": Command("commands", "new_bundle"),
    "build": Command("commands", "build_bundles"),
    "package": Command("bundle.package", "package"),
    "unpack": Command("bundle.archive", "unpack"),
}


def _there(commands: Mapping[str, Any]) -> dict[str, Any]:
    """The commands whose module is there: a released bundle has no phantoms."""
    return {name: one for name, one in commands.items() if not isinstance(one, Command) or one.is_there()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; wrong input ends with one line and status 2."""
    # threads that wait without spinning: a second busy process would otherwise stall every operation. OpenMP reads it
    # when torch is imported, which no command has done yet
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names that its encoding lacks are no reason to fail
    words = sys.argv[1:] if arguments is None else arguments
    if list(words) == ["--version"]:
        print(f"meddino {__version__}")
        return
    try:
        result = dispatch(_there(_COMMANDS), words, name="meddino", serialize=_to_print)
    except Exception as error:
        if not print_last_line(error):
            raise
        raise SystemExit(STATUS) from None
    if _is_summary(result) and result["failed"]:
        raise SystemExit(1)


def _is_summary(result: Any) -> bool:
    return isinstance(result, dict) and "failed" in result


def _to_print(result: Any) -> Any:
    """What a command returns, but for a run's summary, which is printed at its end; any file name can be printed."""
    if isinstance(result, (str, Path)):
        return str(result).encode("utf-8", "backslashreplace").decode("utf-8")
    return None if _is_summary(result) else result


if __name__ == "__main__":
    main()
