"""Slices/s read at random by several workers from a `SliceStore`, against an LMDB of raw int16 .npy values.

Both hold the same 512 x 512 CT slices: real scans below ``--data`` (NIfTI files, brought to 512 pixels, with the noise
of thin slices and a round field of view) and phantoms; without ``--data`` phantoms alone. Warm: workers read random
slices for a time. Cold: the files' pages are dropped first and every slice is read once. LMDB reads ahead, as it does
by default; without, it is slower when cold.
Run: ``python benchmarks/slice_store.py --data scans/``.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import lmdb
import numpy as np
import torch
from common import write_results
from monai.transforms import LoadImage
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from meddino_components.data.curation.case import read_case
from meddino_components.data.slice_store import SliceStore
from meddino_components.data.slice_store.writer import StoredVolume, store_volume, write_index
from meddino_components.phantoms.render import render_case

PIXELS = 512
PER_VOLUME = 100
NOISE_HU = (10.0, 22.0)  # standard deviation in tissue; in air about half
Read = Callable[[int], NDArray[np.int16]]


def real_slices(data: Path) -> list[NDArray[np.float32]]:
    """Slices of all CT volumes below a folder at 512 x 512."""
    found = []
    for path in sorted(data.rglob("*.nii.gz")):
        try:
            volume = read_case(str(path), "ct").slices
        except ValueError:  # a label map or another picture
            continue
        for start in range(0, len(volume), 64):
            part = torch.from_numpy(volume[start : start + 64].astype(np.float32))[:, None]
            found += list(torch.nn.functional.interpolate(part, size=(PIXELS, PIXELS), mode="bicubic")[:, 0].numpy())
    return found


def phantom_slices() -> list[NDArray[np.float32]]:
    """Slices of two phantoms, padded with air or cut to 512 x 512."""
    found = []
    for seed in (1, 2):
        case = render_case(rng=np.random.default_rng(seed), modality="ct", in_plane_px=PIXELS, slice_mm=(6.0, 6.0))
        for k in range(case.image.shape[2]):
            canvas = np.full((PIXELS, PIXELS), -1000, np.float32)
            pixels = case.image[:PIXELS, :PIXELS, k]
            canvas[: pixels.shape[0], : pixels.shape[1]] = pixels
            found.append(canvas)
    return found


def volumes(n_slices: int, data: Path | None) -> Iterator[NDArray[np.int16]]:
    """`n_slices` slices as volumes [D, H, W]; the same anatomy comes back mirrored, moved and with other noise."""
    base = (real_slices(data) if data else []) + phantom_slices()
    rows, columns = np.mgrid[:PIXELS, :PIXELS] - (PIXELS - 1) / 2
    outside = rows**2 + columns**2 > (PIXELS / 2) ** 2
    rng = np.random.default_rng(0)
    for first in range(0, n_slices, PER_VOLUME):
        slices = []
        for _ in range(min(PER_VOLUME, n_slices - first)):
            pixels = np.roll(base[rng.integers(len(base))], rng.integers(-20, 20, 2), axis=(0, 1))
            pixels = pixels[:, :: rng.choice([-1, 1])]
            noise = gaussian_filter(rng.standard_normal(pixels.shape).astype(np.float32), 0.8)
            level = rng.uniform(*NOISE_HU) / noise.std() * np.where(pixels > -500, 1.0, 0.5)
            pixels = np.where(outside, -1024, (pixels + level * noise).clip(-1024, 3071))
            slices.append(np.rint(pixels).astype(np.int16))
        yield np.stack(slices)


def build(root: Path, n_slices: int, data: Path | None) -> None:
    """The same slices as a store, an LMDB, and .npy files."""
    (root / "npy").mkdir(parents=True)
    stored: list[StoredVolume] = []
    index = 0
    with lmdb.open(str(root / "lmdb"), map_size=2 * (n_slices + 100) * PIXELS**2 * 2) as environment:
        for number, slices in enumerate(volumes(n_slices, data)):
            stored.append(
                store_volume(
                    root / "store",
                    slices,
                    numbers=np.arange(len(slices), dtype=np.int32),
                    source_set="benchmark",
                    case_id=f"case_{number}",
                    file=f"case_{number}.nii.gz",
                    modality="ct",
                    source_slices=len(slices),
                    spacing_mm=(0.75, 0.75, 3.0),
                )
            )
            with environment.begin(write=True) as transaction:
                for pixels in slices:
                    buffer = io.BytesIO()
                    np.save(buffer, pixels)
                    transaction.put(key(index), buffer.getvalue())
                    (root / "npy" / f"{index:08d}.npy").write_bytes(buffer.getvalue())
                    index += 1
    write_index(root / "store", stored)
    os.sync()


def key(index: int) -> bytes:
    return b"%08d" % index


def open_store(root: Path) -> Read:
    return SliceStore(root / "store").read


def open_lmdb(root: Path) -> Read:
    """Each value parsed by np.load, as one would."""
    environment = lmdb.open(str(root / "lmdb"), readonly=True, lock=False)

    def read(index: int) -> NDArray[np.int16]:
        with environment.begin() as transaction:
            return np.load(io.BytesIO(transaction.get(key(index))))  # type: ignore[no-any-return]

    return read


def open_lmdb_unparsed(root: Path) -> Read:
    """The pixels copied out of the map, shape and type taken for granted: the least that an LMDB can do."""
    environment = lmdb.open(str(root / "lmdb"), readonly=True, lock=False)

    def read(index: int) -> NDArray[np.int16]:
        with environment.begin(buffers=True) as transaction:
            pixels = np.frombuffer(transaction.get(key(index)), np.int16, offset=128)
            return pixels.reshape(PIXELS, PIXELS).copy()

    return read


def open_monai(root: Path) -> Read:
    load = LoadImage(image_only=True, dtype=None)
    return lambda index: load(str(root / "npy" / f"{index:08d}.npy")).numpy()


READERS = {
    "SliceStore": open_store,
    "LMDB of .npy, np.load": open_lmdb,
    "LMDB of .npy, copied unparsed": open_lmdb_unparsed,
    "LoadImage of .npy files": open_monai,
}
FILES = {"SliceStore": "store", "LoadImage of .npy files": "npy"}


def files_of(root: Path, name: str) -> list[Path]:
    return [path for path in (root / FILES.get(name, "lmdb")).rglob("*") if path.is_file()]


def drop_pages(paths: list[Path]) -> None:
    """Ask the kernel to forget files; a request, and below a hypervisor the host may still know them."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def worker(open_reader: Callable[[], Read], indices: NDArray[Any], seconds: float, barrier: Any, queue: Any) -> None:
    """Read ``indices`` once, or again and again until ``seconds`` have passed."""
    read = open_reader()
    if seconds:
        for index in indices[:50]:
            read(int(index))
    barrier.wait()
    began, cpu, count = perf_counter(), process_time(), 0
    while True:
        for index in indices:
            read(int(index))
            count += 1
            if seconds and perf_counter() - began > seconds:
                break
        if not seconds or perf_counter() - began > seconds:
            break
    queue.put((count, perf_counter() - began, process_time() - cpu))


def rate(root: Path, name: str, n_slices: int, workers: int, seconds: float, seed: int) -> tuple[float, float]:
    """Slices/s of all workers together and processor time a slice in microseconds; ``seconds`` 0 is cold."""
    order = np.random.default_rng(seed).permutation(n_slices)
    context = multiprocessing.get_context("fork")
    barrier, queue = context.Barrier(workers), context.Queue()
    if not seconds:
        drop_pages(files_of(root, name))
    shares = [order[i::workers] if not seconds else np.roll(order, i * n_slices // workers) for i in range(workers)]
    processes = [
        context.Process(target=worker, args=(partial(READERS[name], root), share, seconds, barrier, queue))
        for share in shares
    ]
    for process in processes:
        process.start()
    results = [queue.get() for _ in processes]
    for process in processes:
        process.join()
    counts, spans, cpu = (np.array(column) for column in zip(*results, strict=True))
    together = counts.sum() / spans.max() if not seconds else (counts / spans).sum()
    return float(together), float(cpu.sum() / counts.sum() * 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with CT scans as .nii.gz")
    parser.add_argument("--slices", type=int, default=4000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="of a warm round")
    parser.add_argument("--folder", help="for the files, several GB; a temporary one if left out")
    args = parser.parse_args()
    torch.set_num_threads(1)
    root = Path(tempfile.mkdtemp(dir=args.folder, prefix="slice_store_"))
    try:
        build(root, args.slices, args.data)
        check_equal(root, args.slices)
        measure(root, args)
    finally:
        shutil.rmtree(root)


def check_equal(root: Path, n_slices: int) -> None:
    """All readers give the same pixels."""
    expected = open_monai(root)
    for name in ("SliceStore", "LMDB of .npy, np.load"):
        read = READERS[name](root)
        for index in range(n_slices):
            if not np.array_equal(read(index), expected(index)):
                raise RuntimeError(f"{name}: slice {index} differs")
        del read
    # LMDB cannot be opened twice in a process, so the last reader is left to the workers


def measure(root: Path, args: argparse.Namespace) -> None:
    results: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for number in range(-1, args.rounds):
        order = list(READERS) if number % 2 == 0 else list(reversed(READERS))
        for state, seconds in (("cold", 0.0), ("warm", args.seconds)):
            for name in order:
                found = rate(root, name, args.slices, args.workers, seconds, number + 1)
                if number >= 0:
                    results.setdefault((state, name), []).append(found)
    size = {name: sum(path.stat().st_size for path in files_of(root, name)) for name in READERS}
    peer = "LMDB of .npy, np.load"
    ratios = {
        (state, name): median(a[0] / b[0] for a, b in zip(found, results[state, peer], strict=True))
        for (state, name), found in results.items()
    }
    rows = [
        {
            "pages": state,
            "what": name,
            "slices/s": f"{median(found[0] for found in results[state, name]):.0f}",
            "ratio": f"{ratios[state, name]:.2f}",
            "CPU us/slice": f"{median(found[1] for found in results[state, name]):.0f}",
            "bytes, of LMDB's": f"{size[name] / size[peer]:.3f}",
        }
        for state in ("cold", "warm")
        for name in READERS
    ]
    details = {
        f"{state}, {name}": [{"slices_per_s": round(a, 1), "cpu_us_a_slice": round(b, 1)} for a, b in found]
        for (state, name), found in results.items()
    }
    write_results(
        "slice_store_cpu",
        rows,
        question="How many 512 x 512 CT slices/s do several workers read at random, and how many bytes do they take?",
        settings={
            "slices": args.slices,
            "workers": args.workers,
            "rounds": args.rounds,
            "seconds": args.seconds,
            "scans": "real and phantoms" if args.data else "phantoms",
        },
        packages=("blosc2", "lmdb", "monai", "numpy"),
        notes=[
            "Ratio: median over rounds of slices/s, divided by that of the LMDB whose values np.load parses.",
            "All pixels were compared: the store is lossless. Its bytes include the index.",
            "Cold: page cache dropped by posix_fadvise; the host may still cache the pages.",
            "Copied unparsed (for information): pixels copied out of LMDB's map without reading shape and type.",
        ],
        details=details,
    )


if __name__ == "__main__":
    main()
