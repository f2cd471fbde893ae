"""The same probes by scikit-learn, in a file without torch: its peak memory must be its own.

Run by `probes.py`: ``python sklearn_peer.py <folder> <step> <settings as JSON>`` prints peak MiB and seconds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

Arrays = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]


def read(folder: Path) -> Arrays:
    """Training embeddings, their classes, test embeddings: one file of 16-bit numbers each."""
    training, test = (np.load(folder / f"{split}.npy").astype(np.float32) for split in ("train", "test"))
    return training, np.load(folder / "classes.npy"), test


def knn(arrays: Arrays, settings: dict[str, Any]) -> NDArray[np.float32]:
    """Shares of votes [N, K]."""
    training, classes, test = arrays
    probe = KNeighborsClassifier(n_neighbors=settings["neighbours"], algorithm="brute", metric="cosine")
    return probe.fit(training, classes).predict_proba(test)


def logistic(arrays: Arrays, settings: dict[str, Any]) -> NDArray[np.float32]:
    """Probabilities [N, K]. Features are standardised as ours are; the penalty is on the same scale."""
    training, classes, test = arrays
    regression = LogisticRegression(C=1 / settings["l2"], tol=settings["tolerance"], max_iter=1000, solver="lbfgs")
    return make_pipeline(StandardScaler(), regression).fit(training, classes).predict_proba(test)


def report_alone(work: Any) -> None:
    """Run it once and print seconds and the peak resident MiB of this process."""
    started = perf_counter()
    work()
    seconds = perf_counter() - started
    # of this program alone: getrusage counts what the process that started it held
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(json.dumps({"seconds": round(seconds, 2), "peak MiB": round(int(peak.split()[1]) / 1024)}))


if __name__ == "__main__":
    stored, step, given = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    with threadpool_limits(given["threads"]):
        report_alone(lambda: {"knn": knn, "logistic": logistic}[step](read(stored), given))
