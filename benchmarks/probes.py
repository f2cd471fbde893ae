"""Seconds and memory to probe cached embeddings, against scikit-learn on the same numbers and threads.

Three steps: embeddings from disk to fp32 (ours: `EmbeddingStore` in parts, with a vector a sample, as
`evaluate_classification` reads them; the peer: one .npy); k-NN by cosine with equal votes; logistic regression with the
same penalty and tolerance on standardised features. Both sides of k-NN and regression get the arrays in memory. The
ratio is the peer's median over ours, so above 1 ours is faster; peaks are of processes that do one step, from disk.
Run: ``python benchmarks/probes.py``; ``--help`` lists what can be made smaller.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import sklearn_peer
import torch
from common import CLOCKS, spread, table, timed_in_turn, write_results
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor

from meddino_components.embeddings import EmbeddingStore
from meddino_components.probing import KNearestNeighbours, LabelledFeatures, LogisticRegression, Probe, Vectors

OURS, PEER = "ours", "scikit-learn"
SPLITS = ("train", "test")
LATENT = 24  # directions in which embeddings vary, but for a little noise
STEPS = {"read": "embeddings from disk to fp32", "knn": "k-NN", "logistic": "logistic regression"}


def make(folder: Path, *, training: int, test: int, width: int, n_classes: int) -> None:
    """Classes that overlap in a few directions, as features do: as a store of ours, and as one .npy a split."""
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((LATENT, width), dtype=np.float32) / np.sqrt(LATENT)
    centres = 0.6 * rng.standard_normal((n_classes, LATENT), dtype=np.float32)
    for split, n in zip(SPLITS, (training, test), strict=True):
        classes = np.arange(n) % n_classes
        latent = centres[classes] + rng.standard_normal((n, LATENT), dtype=np.float32)
        embeddings = latent @ directions + 0.1 * rng.standard_normal((n, width), dtype=np.float32)
        embeddings = embeddings.astype(np.float16)
        np.save(folder / f"{split}.npy", embeddings)
        np.save(folder / ("classes.npy" if split == "train" else "test_classes.npy"), classes)
        store = our_store(folder, split, n)
        for part in store.missing_parts():
            numbers = store.part(part)
            store.write_part(part, [{"cls": embeddings[k : k + 1]} for k in numbers])


def our_store(folder: Path, split: str, n: int) -> EmbeddingStore:
    ids = [f"{split}_{k}" for k in range(n)]
    return EmbeddingStore(folder / "stores", identity={"split": split}, sample_ids=ids, kinds=("cls",))


def read(folder: Path, settings: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    """Training embeddings, their classes, test embeddings."""
    training, test = (Vectors().of(our_store(folder, split, settings[split]).read()) for split in SPLITS)
    return training, torch.from_numpy(np.load(folder / "classes.npy")), test


def probe_of(step: str, settings: dict[str, Any]) -> Probe:
    if step == "knn":
        return KNearestNeighbours(n_neighbours=settings["neighbours"], weights="uniform")
    return LogisticRegression(l2=settings["l2"], tolerance=settings["tolerance"])


def scores_of(step: str, arrays: tuple[Tensor, Tensor, Tensor], settings: dict[str, Any]) -> NDArray[np.float32]:
    training, classes, test = arrays
    features = LabelledFeatures(
        vectors={"train": training, "test": test}, targets={"train": classes}, n_classes=settings["classes"]
    )
    return probe_of(step, settings).score(features).scores.numpy()


PROBES = ("knn", "logistic")


def calls_of(
    step: str, ours: Any, theirs: Any, folder: Path, settings: dict[str, Any], answers: dict[str, Any]
) -> dict[str, Callable[[], Any]]:
    """What is timed; probes leave their scores in ``answers``."""
    if step == "read":
        return {OURS: lambda: read(folder, settings), PEER: lambda: sklearn_peer.read(folder)}
    their_probe = getattr(sklearn_peer, step)
    return {
        OURS: lambda: answers.update({OURS: scores_of(step, ours, settings)}),
        PEER: lambda: answers.update({PEER: their_probe(theirs, settings)}),
    }


def peak_alone(party: str, folder: Path, step: str, settings: dict[str, Any]) -> int:
    """MiB of a process that reads the embeddings and runs one probe."""
    given = [str(folder), step, json.dumps(settings)]
    script = [__file__, "--alone"] if party == OURS else [sklearn_peer.__file__]
    output = subprocess.run([sys.executable, *script, *given], check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])["peak MiB"]


def agreement(ours: NDArray[np.float32], theirs: NDArray[np.float32], truth: NDArray[np.int64]) -> str:
    """In words, with the accuracy that says whether the task was neither trivial nor hopeless."""
    same = float((ours.argmax(1) == theirs.argmax(1)).mean())
    correct = float((ours.argmax(1) == truth).mean())
    largest = float(np.abs(ours - theirs).max())
    return f"same class for {100 * same:.2f} %, scores differ by {largest:.1e} at most; accuracy {correct:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=int, default=100_000)
    parser.add_argument("--test", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--neighbours", type=int, default=20)
    parser.add_argument("--l2", type=float, default=100.0)
    parser.add_argument("--tolerance", type=float, default=1e-5, help="greatest gradient of the mean loss at the end")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: processor time, for a busy machine")
    parser.add_argument("--no-file", action="store_true", help="print only")
    parser.add_argument("--alone", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.alone:
        folder, step, given = Path(args.alone[0]), args.alone[1], json.loads(args.alone[2])
        torch.set_num_threads(given["threads"])
        sklearn_peer.report_alone(lambda: scores_of(step, read(folder, given), given))
        return
    names = ("train", "test", "width", "classes", "neighbours", "l2", "tolerance", "threads")
    settings = {name: getattr(args, name) for name in names}
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as temporary, threadpool_limits(args.threads):
        folder = Path(temporary)
        make(folder, training=args.train, test=args.test, width=args.width, n_classes=args.classes)
        ours, theirs = read(folder, settings), sklearn_peer.read(folder)
        if not all(np.array_equal(a.numpy(), b) for a, b in zip(ours, theirs, strict=True)):
            raise RuntimeError("the two sides read different numbers")
        truth = np.load(folder / "test_classes.npy")
        rows, notes, details = [], [], {}
        for step, what in STEPS.items():
            answers: dict[str, Any] = {}
            calls = calls_of(step, ours, theirs, folder, settings, answers)
            peaks = {party: peak_alone(party, folder, step, settings) if step in PROBES else "-" for party in calls}
            times = timed_in_turn(calls, rounds=args.rounds, clock=CLOCKS[args.clock])
            details[what] = {party: spread(values) for party, values in times.items()}
            row: dict[str, Any] = {"what": what}
            row |= {f"{party}, s": f"{median(times[party]):.2f}" for party in calls}
            row["ratio"] = f"{median(times[PEER]) / median(times[OURS]):.2f}"
            row |= {f"{party}, peak MiB": peaks[party] for party in calls}
            rows.append(row)
            if answers:
                notes.append(f"{what}: {agreement(answers[OURS], answers[PEER], truth)}.")
    notes.append("Peaks count each side's libraries: torch and MONAI in ours, scikit-learn in the peer's.")
    if args.no_file:
        print(table(rows), *notes, sep="\n")
        return
    write_results(
        "probes_cpu",
        rows,
        question="How much time and memory does it take to probe cached embeddings, compared with scikit-learn?",
        settings={**settings, "rounds": args.rounds, "clock": args.clock},
        packages=["torch", "numpy", "scipy", "scikit-learn"],
        notes=notes,
        details=details,
    )


if __name__ == "__main__":
    main()
