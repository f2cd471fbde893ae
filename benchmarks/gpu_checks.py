"""Checks of this project on the machine at hand, a GPU's above all.

``python benchmarks/gpu_checks.py correctness`` takes less than 9 minutes on a GPU of an H100's class; with
``--device cpu`` it runs anywhere. Each check prints one JSON line as it ends, and none stops the others: the exit
status is 1 where one failed. A check whose package is missing says so and counts as skipped. On CUDA a whole run
writes ``results/gpu_checks.md`` and ``.json``.
"""

from __future__ import annotations

import argparse
import sys

from gpu import correctness

SUBCOMMANDS = {"correctness": correctness}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, module in SUBCOMMANDS.items():
        module.add_arguments(commands.add_parser(name, help=module.__doc__, description=module.__doc__))
    args = parser.parse_args()
    return SUBCOMMANDS[args.command].main(args)


if __name__ == "__main__":
    sys.exit(main())
