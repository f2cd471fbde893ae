"""Change headers of scans at random: is any file misread, or does any end in anything but one clear line?

    python benchmarks/header_fuzz.py --mutations 2000

A small scan in NIfTI (plain and compressed), NRRD and MetaImage (attached, compressed, detached), as a DICOM series,
and a data set's dataset.json are changed in one place each: a bit, some bytes, a value at the edge of its range, a line
gone or there twice, the file cut. Each is read in a process of its own, with 10 s and 1 GiB more than the parent has.
Good outcomes are: the original's voxels and grid; one `InputError` of one line; or, where the changed field alone
decides it, what the header now says (`fuzz/outcomes.py` lists those fields). Everything else is a fault, and the exit
status 1.

Written are ``results/header_fuzz.md`` and ``.json``.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path
from time import perf_counter
from typing import Any

from common import RESULTS, write_results
from fuzz.mutations import mutate
from fuzz.outcomes import GOOD, MEMORY_BYTES, SECONDS, Job, outcomes, read, write
from fuzz.samples import samples


def run(n_mutations: int, folder: Path, first_seed: int = 0, a_child: int = 1) -> list[dict[str, Any]]:
    """One line a mutation, the formats in turn; so many are read by one child."""
    every = samples(folder / "samples")
    expected = []
    for sample in every:
        write(sample, folder / "read")
        expected.append(read(sample, folder / "read"))
    lines, jobs = list[dict[str, Any]](), list[Job]()
    for number in range(n_mutations):
        k, seed = number % len(every), first_seed + number // len(every)
        mutation = mutate(every[k], seed)
        lines.append({"format": every[k].kind, "seed": seed, "field": mutation.field, "how": mutation.how})
        jobs.append((every[k], mutation, expected[k]))
    for start in range(0, n_mutations, a_child):
        found = outcomes(jobs[start : start + a_child], folder / "read")
        for line, one in zip(lines[start : start + a_child], found, strict=True):
            line |= {"outcome": one.kind, "text": one.text}
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutations", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0, help="of the first mutation of each format")
    parser.add_argument("--results", type=Path, default=RESULTS)
    settings = parser.parse_args()
    begun = perf_counter()
    with tempfile.TemporaryDirectory(prefix="header-fuzz-") as name:
        lines = run(settings.mutations, Path(name), settings.seed)
    faults = [line for line in lines if line["outcome"] not in GOOD]
    rows = []
    for kind in dict.fromkeys(line["format"] for line in lines):
        count = Counter(line["outcome"] for line in lines if line["format"] == kind)
        n_faults = sum(n for which, n in count.items() if which not in GOOD)
        rows.append(
            {"format": kind, "mutations": sum(count.values()), **{g: count[g] for g in GOOD}, "faults": n_faults}
        )
    total = {key: sum(row[key] for row in rows) for key in rows[0] if key != "format"}
    for fault in faults:
        print(fault)
    write_results(
        "header_fuzz",
        [*rows, {"format": "all", **total}],
        question="Is a scan with a damaged header ever misread, or refused with more than one line?",
        settings={
            "mutations": settings.mutations,
            "first seed": settings.seed,
            "seconds a file": SECONDS,
            "MiB a file": MEMORY_BYTES // 2**20,
        },
        packages=("itk", "monai", "nibabel", "numpy"),
        notes=[f"All mutations together took {perf_counter() - begun:.0f} s."],
        details={"faults": faults} if faults else None,
        folder=settings.results,
    )
    raise SystemExit(1 if faults else 0)


if __name__ == "__main__":
    main()
