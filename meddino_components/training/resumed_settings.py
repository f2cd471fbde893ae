"""Compare the settings of a resumed run with its checkpoint's, and apply the changes that are allowed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ..errors import InputError

_MISSING = "not set"
_N_NAMED = 4
# entries of a schedule's state that hold its progress; all others are settings
_POSITION = {"last_epoch", "_step_count", "_last_lr", "_get_lr_called_within_step", "_is_initial"}


def check_settings(
    found: Mapping[str, Any], expected: Mapping[str, Any], changed: Sequence[str], source: str | Path
) -> None:
    """Compare the settings of a checkpoint with those of the run that resumes from it.

    Args:
        found: settings of the checkpoint, by key.
        expected: settings of this run.
        changed: keys that may differ, including all keys below them.
        source: path of the checkpoint, for the message.

    Raises:
        InputError: settings differ; the message names them with both values.
    """

    def free(key: str) -> bool:
        return any(key == name or key.startswith(f"{name}::") for name in changed)

    keys = [key for key in dict.fromkeys((*expected, *found)) if found.get(key) != expected.get(key) and not free(key)]
    if not keys:
        return
    keys.sort(key=lambda key: key.count("::"))
    said = [f"{k} {_shown(found, k)} (this run: {_shown(expected, k)})" for k in keys[:_N_NAMED]]
    more = [f"{len(keys) - _N_NAMED} more"] if len(keys) > _N_NAMED else []
    raise InputError(
        f"{source} was written with {', '.join(said + more)}. Restore the checkpoint's values, start a new run in "
        f"another --output_dir, or allow the change with --changed_on_resume \"['{keys[0]}']\""
    )


def _shown(settings: Mapping[str, Any], key: str) -> str:
    text = str(settings.get(key, _MISSING))
    return text if len(text) <= 80 else f"{text[:77]}..."


@contextmanager
def keep_settings(item: Any) -> Iterator[None]:
    """Keep the settings of an optimiser or schedule while its state is loaded.

    A state in torch holds both progress and settings, such as the length of a decay; after loading it, a run with more
    epochs would keep a rate of 0. If the settings have not changed, the loaded values are restored bit for bit.
    """
    if isinstance(item, Optimizer):
        built = [{name: value for name, value in group.items() if name != "params"} for group in item.param_groups]
        yield
        for group, settings in zip(item.param_groups, built, strict=True):
            rate = group["lr"]
            group.update(settings)
            group["lr"] = rate
    elif isinstance(item, LRScheduler):
        before = item.state_dict()
        yield
        loaded = item.state_dict()
        settings = {name: value for name, value in before.items() if name not in _POSITION}
        if any(loaded.get(name) != value for name, value in settings.items()):
            _continue_with(item, settings)
    else:
        yield


def _continue_with(schedule: LRScheduler, settings: Mapping[str, Any]) -> None:
    vars(schedule).update(settings)
    closed_form = getattr(schedule, "_get_closed_form_lr", None)
    if closed_form is None:
        raise InputError(
            f"the schedule {type(schedule).__name__} cannot continue with settings other than the checkpoint's. "
            "Restore epochs and rates, or use a schedule such as PolynomialLR"
        )
    rates = closed_form()
    for group, rate in zip(schedule.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    schedule._last_lr = list(rates)
