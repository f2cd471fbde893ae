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
import hashlib
import itertools
import json
import multiprocessing
import os
import random
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser, run
from safetensors.torch import load_file

from meddino_components.bundle import package, segment
from meddino_components.bundle import release_checks as release
from meddino_components.checkpoints import sha256_of, write_weights
from meddino_components.data import curate, write_phantoms
from meddino_components.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from command_lines import AMOS, BENCHMARK, PRETRAIN, TINY  # noqa: E402
from common import RESULTS, hardware, versions  # noqa: E402
from slice_stores import random_slices, write_store  # noqa: E402

_forked = multiprocessing.get_context("fork")
_USERS = {"thesis.txt": b"the user's own", "notes.nii.gz": b"no scan, but the user's"}
_REFUSED = 3


@dataclass
class Command:
    """One command: how it runs into a folder, and which of its files are compared.

    Attributes:
        name: for the table.
        start: runs it; the argument is the folder.
        compared: patterns of files that are equal after every run.
        beside_users: whether it takes a folder that holds files of the user's.
    """

    name: str
    start: Callable[[Path], Any]
    compared: tuple[str, ...]
    beside_users: bool = True
    alone: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def commands(data: Path) -> list[Command]:
    """All six, with what they read below ``data``."""
    phantoms = write_phantoms(data / "phantoms", n_ct=3, n_val_ct=0, in_plane_px=48, slice_mm=(28.0, 30.0))
    model, store = data / "model.pt", data / "store"
    _write_model(model)
    write_store(store, [random_slices((48, 64), n=6, seed=seed) for seed in range(2)])
    _write_pictures(data / "pictures.npz")
    train = {**TINY, "dataset_dir": str(phantoms), "n_folds": 3, "resume": True, "checkpoint_interval": 1}
    pretrain = {**_PRETRAINING, "store": str(store), "resume": True}
    classify = {"dataset_dir": str(data / "pictures.npz"), "size_px": 32, "batch_size": 4, "n_resamples": 20}
    quiet = {"num_workers": 0, "progress": False, "amp": False}
    return [
        Command(
            "segment",
            lambda out: segment(phantoms / "imagesTr", out, AMOS, "ct", model, "laptop"),
            ("*.nii.gz",),
        ),
        Command(
            "fine-tuning",
            lambda out: _bundle(
                AMOS, ["train", "laptop"], {**train, "output_dir": str(out), "model_path": str(out / "model.pt")}
            ),
            ("model.pt", "checkpoint.pt"),
        ),
        Command(
            "pretraining",
            lambda out: _bundle(
                PRETRAIN,
                ["train", "laptop"],
                {**pretrain, "output_dir": str(out), "teacher_path": str(out / "teacher.safetensors")},
            ),
            ("teacher.safetensors", "teachers/*.safetensors"),
        ),
        Command(
            "curate",
            lambda out: curate(
                str(phantoms / "imagesTr"), str(out), modality="ct", num_workers=0, progress=False, contact_sheet=False
            ),
            ("store.json", "volumes-*", "slices-*", "volumes/*/*"),
            beside_users=False,
        ),
        Command(
            "embeddings",
            lambda out: _bundle(BENCHMARK, ["classify", "laptop"], {**classify, **quiet, "output_dir": str(out)}),
            ("classification.csv",),
        ),
        Command("package", lambda out: package(AMOS, out), ("*.zip", "*.sha256", "model_info.json")),
    ]


_PRETRAINING = {
    "backbone": "vit_mini",
    "weights": "random",
    "n_prototypes": 32,
    "head_hidden_dim": 32,
    "head_bottleneck_dim": 16,
    "epochs": 3,
    "iterations_per_epoch": 2,
    "batch_size": 2,
    "warmup_iterations": 2,
    "freeze_last_layer_iterations": 1,
    "teacher_temp_warmup": 2,
    "global_crops_size": 64,
    "local_crops_size": 32,
    "n_local_crops": 2,
    "export_interval": 2,
    "monitor_interval": 2,
    "num_workers": 0,
    "progress": False,
    "amp": False,
}


def _bundle(bundle: Path, names: list[str], overrides: dict[str, Any]) -> None:
    run(config_file=[str(bundle / "configs" / f"{name}.json") for name in names], **overrides)


def _write_model(path: Path) -> None:
    parser = ConfigParser()
    parser.read_config([str(AMOS / "configs" / f"{name}.json") for name in ("train", "laptop")])
    config = parser.get()
    del config["network_def"]["_requires_"]
    config["record"] |= {"training_cases": [], "validation_cases": [], "encoder": None, "trained_further": None}
    torch.manual_seed(0)
    network, record = (parser.get_parsed_content(key) for key in ("network_def", "record"))
    write_weights(network.state_dict(), path, record=record)


def _write_pictures(path: Path) -> None:
    rng, arrays = np.random.default_rng(0), {}
    for split, n in (("train", 12), ("val", 6), ("test", 12)):
        arrays[f"{split}_images"] = rng.integers(0, 255, (n, 28, 28)).astype(np.uint8)
        arrays[f"{split}_labels"] = (np.arange(n) % 2)[:, None].astype(np.uint8)
    np.savez_compressed(path, **arrays)


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


def contents(command: Command, out: Path) -> dict[str, str]:
    """Hashes of the files that have to be equal after every run."""
    found = {path for pattern in command.compared for path in out.glob(pattern) if path.is_file()}
    return {str(path.relative_to(out)): _digest(path) for path in sorted(found) if path.name not in _USERS}


def _digest(path: Path) -> str:
    """Of the tensors of a .safetensors, whose header has its facts in an order by chance; else of the file."""
    if path.suffix != ".safetensors":
        return sha256_of(path)
    digest = hashlib.sha256()
    for name, tensor in sorted(load_file(path).items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def torn(out: Path) -> list[str]:
    """Published files that are neither what was there nor what was being written."""
    wrong = []
    for record in out.rglob(".meddino/files.json"):
        for name, hashes in json.loads(record.read_text(encoding="utf-8"))["files"].items():
            path = record.parent.parent / name
            if path.exists() and hashes is not None and sha256_of(path) not in hashes:
                wrong.append(str(path))
    for sidecar in out.rglob("*.sha256"):
        path = sidecar.with_name(sidecar.name.removesuffix(".sha256"))
        if path.exists() and sha256_of(path) != sidecar.read_text(encoding="utf-8").split()[0]:
            wrong.append(str(path))
    for path in out.rglob("*.json"):
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            wrong.append(str(path))
    return wrong


def lost(out: Path, command: Command) -> list[str]:
    """Files of the user's that are not as they were."""
    expected = _USERS if command.beside_users else {}
    return [name for name, text in expected.items() if not (out / name).exists() or (out / name).read_bytes() != text]


def written(out: Path) -> int:
    """Files that a command has put into its folder, partial ones too."""
    hidden = {"lock", "files.lock", "holder.json"}
    paths = (path for path in out.rglob("*") if path.is_file() and path.name not in hidden)
    return sum(path.name not in _USERS for path in paths)


def fresh(folder: Path, command: Command) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if command.beside_users:
        for name, text in _USERS.items():
            (folder / name).write_bytes(text)
    return folder


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
    lines = ["# Kills, and two at once", "", facts["hardware"], ""]
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
    lines += ["", f"Pairs in one folder at once: {len(together)}, one refused in {n_refused}, mixed {n_mixed}.", ""]
    print("\n".join(lines))
    (folder / "kill_campaign.md").write_text("\n".join(lines), encoding="utf-8")
    content = {**facts, "kills": kills, "pairs": together}
    (folder / "kill_campaign.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
