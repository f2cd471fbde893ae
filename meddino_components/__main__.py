"""``meddino`` and ``python -m meddino_components``: commands that call the components and the bundles.

Slow imports happen only when a command is called, so that help appears at once.
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
    "cross_validate": Command("cross_validation.command", "cross_validate"),
    "plan": Command("data.cases.plan", "plan"),
    "curate": Command("data.curation.run", "curate"),
    "evaluate_folder": Command("evaluation.folders.command", "evaluate_folder"),
    "choose_postprocessing": Command("evaluation.choose_postprocessing", "choose_postprocessing"),
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
    """Return the commands whose module exists: a released bundle has no phantoms."""
    return {name: one for name, one in commands.items() if not isinstance(one, Command) or one.is_there()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; wrong input ends with one line and status 2."""
    # let threads wait without spinning: otherwise a second busy process would stall every operation. OpenMP reads this
    # when torch is imported, which no command has done yet
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # do not fail on names that its encoding lacks
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
    """Return a command's result in printable form; None for a run's summary, which is already printed."""
    if isinstance(result, (str, Path)):
        return str(result).encode("utf-8", "backslashreplace").decode("utf-8")
    return None if _is_summary(result) else result


if __name__ == "__main__":
    main()
