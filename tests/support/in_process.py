"""Bundles run without a process of their own, where what a process does is not the question: it costs nine seconds."""

import logging
import sys
from contextlib import contextmanager

import monai.bundle
import monai.utils
import torch
from command_lines import AMOS
from random_models import write_random_model

from meddino_components import interruption
from meddino_components.__main__ import main


@contextmanager
def untouched_process():
    """Put back what a run of a bundle sets for the whole process."""
    path, handlers, level = list(sys.path), list(logging.root.handlers), logging.root.level
    deterministic = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        sys.path[:] = path
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
        monai.utils.set_determinism(None)
        interruption.restore_signals()
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = deterministic


def run_here(configs, overrides, bundle=AMOS, run_id=None):
    """As `run_bundle`; an error is raised as it is."""
    files = [str(bundle / "configs" / f"{name}.json") for name in configs]
    with untouched_process():
        monai.bundle.run(run_id=run_id, config_file=files, **overrides)


def command(*arguments):
    """``python -m meddino_components ...`` in this process; returns its exit status."""
    with untouched_process():
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            return end.code or 0
    return 0


def cause(error):
    """The first of the chain that MONAI wraps an error in."""
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__
    return error


def write_laptop_model(path, bundle=AMOS):
    """Random weights of the network that `laptop.json` describes."""
    return write_random_model(path, bundle=bundle, overlays=["laptop"])
