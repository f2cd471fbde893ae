"""The command lines that users type, run in processes of their own."""

import atexit
import json
import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import psutil
from preloaded import preloaded_python

REPOSITORY = Path(__file__).parents[2]
AMOS = REPOSITORY / "bundles" / "meddinov3_seg_amos"
BRATS = REPOSITORY / "bundles" / "meddinov3_seg_brats"
PRETRAIN = REPOSITORY / "bundles" / "meddinov3_pretrain"
BENCHMARK = REPOSITORY / "bundles" / "meddinov3_benchmark"
# two processes on this machine
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m"]


def environment(**variables):
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    return {**os.environ, **threads, **variables}


def run_command(*command, **kwargs):
    """Run a command that has to succeed; returns what it prints."""
    done = subprocess.run([str(part) for part in command], capture_output=True, encoding="utf-8", **kwargs)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def bundle_command(configs, overrides, launcher=(), bundle=AMOS, run_id=None):
    """The command line that a user types."""
    files = "[" + ",".join(f"'{bundle / 'configs' / name}.json'" for name in configs) + "]"
    command = [*(launcher or [sys.executable, "-m"]), "monai.bundle", "run", *([run_id] if run_id else [])]
    command += ["--config_file", files]
    for key, value in overrides.items():
        command += [f"--{key}", value if isinstance(value, str) else repr(value)]
    return [str(part) for part in command]


@cache
def _preloaded():
    """The program for this process' tests, until it ends."""
    context = preloaded_python()
    atexit.register(context.__exit__, None, None, None)
    return context.__enter__()


def run_preloaded(*command, variables=None, **kwargs):
    """Run ``python ...`` by one that has imported the libraries; returns the finished process with its output as text.

    What depends on how a process begins (hash seed, locale, signals, torchrun) is tested in processes that begin.
    """
    python, *arguments = map(str, command)
    assert python == sys.executable
    return subprocess.run(
        [_preloaded(), *arguments],
        env=environment(**(variables or {})),
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8", "timeout": 1200, **kwargs},
    )


def run_bundle(configs, overrides, check=True, launcher=(), variables=None, **kwargs):
    """Run a bundle in a process of its own; returns the finished process with its output as text."""
    command = bundle_command(configs, overrides, launcher=launcher, **kwargs)
    if launcher or variables:
        given = environment(**(variables or {}))
        done = subprocess.run(command, env=given, capture_output=True, encoding="utf-8", timeout=1200)
    else:
        done = run_preloaded(*command)
    if check:
        assert done.returncode == 0, done.stderr[-4000:]
    return done


def read_log(output_dir):
    return [json.loads(line) for line in (Path(output_dir) / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def losses(output_dir):
    """Loss by iteration."""
    return {line["iteration"]: line["loss"] for line in read_log(output_dir) if "loss" in line}


def tensorboard_writers(output_dir):
    """Processes that wrote for TensorBoard; its files are events.out.tfevents.<time>.<host>.<process>.<number>."""
    return {path.name.split(".")[-2] for path in (Path(output_dir) / "tensorboard").iterdir()}


def wait_for_lines(output, n, process, seconds=150):
    log, deadline = output / "log.jsonl", time.time() + seconds
    while time.time() < deadline:
        if log.exists() and len(log.read_text(encoding="utf-8").splitlines()) >= n:
            return
        assert process.poll() is None, process.stdout.read().decode()[-3000:]
        time.sleep(0.05)
    raise AssertionError(f"no {n} lines in {log}")


def kill_after_cells(process, cells, n, seconds=240):
    """Kill a run when so many cells below a folder are finished; returns when each of these was written."""
    deadline = time.time() + seconds
    while len(list(cells.glob("*/cell.json"))) < n:
        assert process.poll() is None, process.communicate()[0]
        assert time.time() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return {path: path.stat().st_mtime_ns for path in cells.glob("*/cell.json")}


def check_one_killed_ends_both(process, victim):
    """Kill one of the two processes that torchrun started: within a minute the other ends, and torchrun says why."""
    ranks = {}
    for child in psutil.Process(process.pid).children():
        rank = child.environ().get("RANK")
        if rank is not None:
            ranks[int(rank)] = child
    assert sorted(ranks) == [0, 1]
    ranks[victim].kill()
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert b"Signal 9 (SIGKILL)" in output
    assert psutil.wait_procs(ranks.values(), timeout=10)[1] == []
