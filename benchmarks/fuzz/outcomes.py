"""What reading a mutated file comes to, in a child that may neither take long nor much memory."""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import signal
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fuzz.mutations import Mutation
from fuzz.samples import SHAPE, Sample
from meddino_components.data import LoadVolumed, label_names, read_datalist
from meddino_components.data.volumes.grid_checks import corner_distance_mm
from meddino_components.errors import InputError

SECONDS = 10
MEMORY_BYTES = 2**30  # beyond what the parent has
GRID_TOLERANCE = 0.05  # of the shortest voxel edge, as of slices of a series
GOOD = ("right", "refused", "as the header says")

# What nobody can know to be wrong, for nothing else in the file says it: these fields decide it alone. Whatever they
# say, the shape is the file's, and the voxels are finite.
_ALONE: dict[str, dict[str, str]] = {
    "nii": dict.fromkeys(("scl_slope", "scl_inter", "datatype"), "voxels"),
    "nrrd": {
        **dict.fromkeys(("type", "endian"), "voxels"),
        **dict.fromkeys(("space", "space directions", "space origin"), "grid"),
    },
    "mha": {
        **dict.fromkeys(("ElementType", "BinaryDataByteOrderMSB"), "voxels"),
        **dict.fromkeys(("TransformMatrix", "Offset", "CenterOfRotation", "AnatomicalOrientation"), "grid"),
        "ElementSpacing": "grid",
    },
    "dicom": dict.fromkeys(("0028,1052", "0028,1053"), "voxels"),
    "dataset.json": dict.fromkeys(("labels.0", "labels.1", "labels.2"), "names"),
}
_SAME = {"nii.gz": "nii", "nhdr": "nrrd", "mhd": "mha"}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """``kind``: one of `GOOD`, or "wrong", "other exception", "two lines", "too long", "died"; ``text`` says more."""

    kind: str
    text: str = ""


def read(sample: Sample, folder: Path) -> dict[str, Any]:
    """What a reader of this project makes of the sample's files."""
    if sample.kind == "dataset.json":
        cases = read_datalist(folder, "msd", "all_labelled", modality="ct")
        return {"cases": cases, "names": {"names": label_names(folder, "msd")}}
    image = LoadVolumed("image")({"image": str(folder / sample.opened), "modality": "ct"})["image"]
    return {"voxels": image.numpy()[0], "grid": image.affine.numpy()}


Job = tuple[Sample, Mutation, dict[str, Any]]  # and what the sample holds


def outcomes(jobs: Sequence[Job], folder: Path) -> list[Outcome]:
    """Write the mutated files of each job to ``folder`` and read them in one child; if it ends early, in one each."""

    def work(some: Sequence[Job]) -> list[Outcome]:
        found = []
        for sample, mutation, expected in some:
            write(sample, folder, mutation.content)
            found.append(_judged(sample, mutation, folder, expected))
        return found

    together = in_child(lambda: work(jobs))
    if isinstance(together, list):
        return together
    return [together] if len(jobs) == 1 else [one for job in jobs for one in outcomes([job], folder)]


def write(sample: Sample, folder: Path, content: bytes | None = None) -> None:
    """The sample's files, the target with other content."""
    shutil.rmtree(folder, ignore_errors=True)
    files = {**sample.files, **({} if content is None else {sample.target: content})}
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(sample.packed(data) if sample.packed and name == sample.target else data)


def in_child(work: Callable[[], list[Outcome]]) -> list[Outcome] | Outcome:
    """What ``work`` gives in a forked process with limits of time and memory, or how the process ended."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        try:
            _limit()
            theirs.send(work())
        finally:
            os._exit(0)
    theirs.close()
    try:
        found: list[Outcome] | Outcome = ours.recv()
    except EOFError:
        found = Outcome(kind="died")
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        ended = os.WTERMSIG(status)
        found = Outcome(kind="too long" if ended == signal.SIGALRM else "died", text=f"signal {ended}")
    return found


def _limit() -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(SECONDS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, used + MEMORY_BYTES))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


def _judged(sample: Sample, mutation: Mutation, folder: Path, expected: dict[str, Any]) -> Outcome:
    try:
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            found = read(sample, folder)
    except InputError as error:
        text = str(error).replace(str(folder), "FOLDER")
        return Outcome(kind="refused" if "\n" not in text and "np." not in text else "two lines", text=text)
    except BaseException as error:
        return Outcome(kind="other exception", text=f"{type(error).__name__}: {error}"[:500])
    differs = {aspect for aspect in expected if not _equal(aspect, found[aspect], expected[aspect])}
    if not differs:
        return Outcome(kind="right")
    kind = sample.kind.split()[0]
    allowed = {_ALONE[_SAME.get(kind, kind)].get(mutation.field)}
    whole = "voxels" not in found or (found["voxels"].shape == SHAPE and bool(np.isfinite(found["voxels"]).all()))
    text = f"{mutation.field} ({mutation.how}): {', '.join(sorted(differs))}"
    return Outcome(kind="as the header says" if differs <= allowed and whole else "wrong", text=text)


def _equal(aspect: str, found: Any, expected: Any) -> bool:
    if aspect == "voxels":
        return bool(np.array_equal(found, expected))
    if aspect == "grid":
        edge = np.linalg.norm(expected[:3, :3], axis=0).min()
        return bool((corner_distance_mm(found, expected, SHAPE) <= GRID_TOLERANCE * edge).all())
    return bool(found == expected)
