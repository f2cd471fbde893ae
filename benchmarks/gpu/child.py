"""One check in a process of its own: ``python -m gpu.child NAME DEVICE FOLDER RESULT``."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from .check import Failed, Figures, Place, Skipped
from .checks import CHECKS


def result_of(name: str, place: Place) -> dict[str, Any]:
    """Run a check; whatever it raises becomes part of the result."""
    figures: Figures = {}
    result: dict[str, Any] = {"name": name, "status": "ok", "figures": figures, "error": None}
    started = perf_counter()
    try:
        CHECKS[name].run(place, figures)
    except Skipped as reason:
        result |= {"status": "skipped", "error": str(reason)}
    except Failed as failure:
        result |= {"status": "failed", "error": str(failure), "log": failure.log}
    except Exception as error:
        if isinstance(error, ImportError) and (missing := _foreign_package(error)):
            result |= {"status": "skipped", "error": f"needs {missing}"}
        else:
            text = " ".join(str(error).split())
            result |= {
                "status": "failed",
                "error": f"{type(error).__name__}: {text}",
                "log": traceback.format_exc()[-4000:],
            }
    return result | {"seconds": round(perf_counter() - started, 3)}


def _foreign_package(error: ImportError) -> str | None:
    """The package that is missing, unless it is one of this project's own."""
    name = (error.name or "").split(".")[0]
    return name if name and name not in ("meddino_components", "gpu", "torch") else None


def main() -> None:
    name, device, folder, result_file = sys.argv[1:]
    place = Place(device=torch.device(device), folder=Path(folder))
    Path(result_file).write_text(json.dumps(result_of(name, place)), encoding="utf-8")


if __name__ == "__main__":
    main()
