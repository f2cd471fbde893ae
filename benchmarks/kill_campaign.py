"""Kill commands at random moments and run two at once in one folder: is anything lost, torn or mixed?

    python benchmarks/kill_campaign.py --kills 100

Each command runs on tiny generated data in a forked process, which is killed by SIGKILL: a third of the kills at any
moment of the command, the others between its first and its last write, which is found by watching the folder. After a
kill every published file has to be whole, every file of the user's as it was, and the command, run again, has to end
with the files of a run that was not killed. Then every pair of commands starts in one folder: either one is refused, or
both end with what they give alone. MONAI's verification of bundles, which writes nothing, is left out of `package`.

Written are ``results/kill_campaign.md`` and ``.json``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import random
import shutil
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from common import RESULTS, hardware, versions
from kills.commands import Command, commands
from kills.folder_checks import contents, fresh, lost, torn, written

from meddino_components.bundle import release_checks as release
from meddino_components.errors import InputError

_forked = multiprocessing.get_context("fork")
_REFUSED = 3


def started(command: Command, out: Path, said: Path) -> Any:
    """A process that runs the command; what it was refused for goes to the file ``said``."""

    def work() -> None:
        log = os.open(f"{said}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        try:
            command.start(out)
        except BaseException as error:
            found: BaseException | None = error
            while found is not None and not isinstance(found, InputError):
                found = found.__cause__ or found.__context__
            said.write_text(str(found or repr(error)), encoding="utf-8")
            os._exit(_REFUSED if found else 1)
        os._exit(0)

    process = _forked.Process(target=work)
    process.start()
    return process


def kill(command: Command, out: Path, said: Path, rng: random.Random, *, between: bool) -> dict[str, Any]:
    """One kill, the checks after it, and the run that follows."""
    process = started(command, fresh(out, command), said)
    begun = time.monotonic()
    while between and written(out) == 0 and process.is_alive():
        time.sleep(0.005)
    left = max(command.seconds - (time.monotonic() - begun), 0.05)
    process.join(rng.random() * left * 0.9)
    n_written, was_alive = written(out), process.is_alive()
    process.kill()
    process.join()
    result = {
        "command": command.name,
        "killed": was_alive,
        "between_writes": was_alive and n_written > 0,
        "torn": torn(out),
        "lost": lost(out, command),
    }
    again = started(command, out, said)
    again.join()
    result["mixed"] = [] if again.exitcode == 0 else [f"run again: {said.read_text(encoding='utf-8')}"]
    found = contents(command, out)
    result["mixed"] += sorted(name for name in {*found, *command.alone} if found.get(name) != command.alone.get(name))
    result["torn"] += torn(out)
    result["lost"] += lost(out, command)
    return result


def pair(first: Command, second: Command, out: Path, said: Path) -> dict[str, Any]:
    """Two commands at once in one folder."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    places = [said.with_name(f"{said.name}{k}") for k in (0, 1)]
    processes = [started(command, out, place) for command, place in zip((first, second), places, strict=True)]
    for process in processes:
        process.join()
    statuses = [process.exitcode for process in processes]
    mixed = [str(status) for status in statuses if status not in (0, _REFUSED)] + torn(out)
    if 0 not in statuses:
        mixed.append("neither finished")
    for command, status in zip((first, second), statuses, strict=True):
        found = contents(command, out)
        if status == 0:
            mixed += [name for name, digest in command.alone.items() if found.get(name) != digest]
    # without the names of this machine
    refused = [
        p.read_text(encoding="utf-8").replace(str(out), "out").replace(socket.gethostname(), "HOST")
        for p, status in zip(places, statuses, strict=True)
        if status == _REFUSED
    ]
    return {"pair": [first.name, second.name], "finished": statuses.count(0), "refused": refused, "mixed": mixed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pairs", type=int, default=21, help="of commands in one folder, at most")
    parser.add_argument("--results", type=Path, default=RESULTS)
    settings = parser.parse_args()
    torch.set_num_threads(1)
    release._run_monai = lambda root, *words: None
    rng = random.Random(settings.seed)
    with tempfile.TemporaryDirectory(prefix="kill-campaign-") as name:
        data = Path(name)
        out, said = data / "out", data / "said.txt"
        every = commands(data)
        for command in every:
            begun = time.monotonic()
            process = started(command, fresh(out, command), said)
            process.join()
            if process.exitcode:
                raise SystemExit(f"{command.name} fails by itself: {said.read_text(encoding='utf-8')}")
            command.seconds, command.alone = time.monotonic() - begun, contents(command, out)
            print(f"{command.name}: {command.seconds:.1f} s, {len(command.alone)} files compared", flush=True)
        kills = []
        for number in range(settings.kills):
            command = every[number % len(every)]
            # a command that ended before its kill is tried again
            while not (killed := kill(command, out, said, rng, between=number // len(every) % 3 > 0))["killed"]:
                pass
            kills.append(killed)
            print(number + 1, kills[-1], flush=True)
        together = []
        for first, second in list(itertools.combinations_with_replacement(every, 2))[: settings.pairs]:
            together.append(pair(first, second, out, said))
            print(together[-1], flush=True)
    _write(settings.results, every, kills, together)


def _write(folder: Path, every: list[Command], kills: list[dict[str, Any]], together: list[dict[str, Any]]) -> None:
    facts = {"hardware": hardware(), "versions": versions("torch", "monai", "filelock")}
    lines = ["# Kills, and two commands at once", "", facts["hardware"], ""]
    lines += ["| command | seconds | kills | between writes | lost | torn | mixed |", "|---|---|---|---|---|---|---|"]
    total = [0] * 5
    for command in every:
        own = [kill for kill in kills if kill["command"] == command.name]
        row = [sum(k["killed"] for k in own), sum(k["between_writes"] for k in own)]
        row += [sum(bool(k[what]) for k in own) for what in ("lost", "torn", "mixed")]
        total = [a + b for a, b in zip(total, row, strict=True)]
        lines.append(f"| {command.name} | {command.seconds:.1f} | " + " | ".join(map(str, row)) + " |")
    lines.append("| all | | " + " | ".join(map(str, total)) + " |")
    n_mixed = sum(bool(p["mixed"]) for p in together)
    n_refused = sum(bool(p["refused"]) for p in together)
    lines += [
        "",
        f"Pairs of commands in one folder at once: {len(together)}, one refused in {n_refused}, mixed {n_mixed}.",
        "",
    ]
    print("\n".join(lines))
    (folder / "kill_campaign.md").write_text("\n".join(lines), encoding="utf-8")
    content = {**facts, "kills": kills, "pairs": together}
    (folder / "kill_campaign.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
