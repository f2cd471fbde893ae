"""Curate volumes of many kinds into one slice store.

For every case that was read, a note is written to ``.curation/`` once its voxels are in the store's folder. An
interrupted run continues from these notes and ends with the same files as an uninterrupted one. The index is written
last, from the notes alone, so duplicates and exclusions do not depend on the order in which workers finish.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ...errors import InputError
from ...files import AtomicFiles, OutputFolder, is_empty_folder, remove_dead_temporaries, write_text
from ...interruption import ends_on_signal
from ...pictures.blank_figure import require_matplotlib
from ..slice_store.store import STORE_FILE, SliceStore, VolumeRecord, require_blosc2
from ..slice_store.writer import StoredVolume, store_volume, write_index
from ..volumes.dicom import GantryTilt
from ..volumes.itk_header import last_line
from ..volumes.loading import check_problem
from .case import CuratedVolume, Refused, read_case
from .contact_sheet import write_contact_sheet
from .exclusion_list import ExclusionList
from .report import REPORT_FILES, CurationReport
from .sources import SourceCase, Sources, list_source_cases
from .workers import map_locally, map_on_ray

NOTES = ".curation"
CONTACT_SHEET = "contact_sheet.png"
# part of a note's name: increase when cases are stored differently
_RECIPE = 1


@dataclass(frozen=True)
class Reading:
    """Options for reading a scan, see `curate`."""

    check_modality: bool
    gantry_tilt: GantryTilt

    @property
    def suffix(self) -> str:
        """Return the suffix of a note's key for options other than the defaults."""
        return ("" if self.check_modality else "-unchecked") + ("" if self.gantry_tilt == "refuse" else "-untilted")


def curate(
    sources: Sources,
    output: str | Path,
    modality: str | None = None,
    exclude: str | Path | None = None,
    num_workers: int | None = None,
    ray: bool | str = False,
    check_modality: bool = True,
    gantry_tilt: GantryTilt = "refuse",
    retry_skipped: bool = False,
    contact_sheet: bool = True,
    progress: bool = True,
) -> str:
    """Create a slice store from folders, data sets and data lists.

    Slices are stored in int16 HU (MR: see `read_case`) with their full field of view and native spacing, and with
    source set, case and slice number. Slices of air are dropped. Cases are skipped if they cannot be read, have another
    modality, duplicate the voxels of another case or are excluded; the report gives the reason. Only the grid is read
    from headers, so patients' names, ids and dates do not enter store or report unless file names contain them.

    An interrupted run continues where it stopped; files are not read again unless they change. To add sources to a
    store, give the old and the new ones.

    Args:
        sources: one path, several, or a mapping from names of source sets to paths, see `list_source_cases`.
        output: folder for the store; local, or on a file system that all nodes of the cluster share.
        modality: "ct" or "mr", which is never inferred; omit if every source states it.
        exclude: path of a text file that lists cases to exclude, see `ExclusionList`.
        num_workers: number of local processes; omit for one per core.
        ray: whether to use Ray: True for this machine, an address ("auto", "ray://head:10001") for a cluster.
        check_modality: whether to refuse intensities that contradict the modality, and 8-bit pictures.
        gantry_tilt: whether to "refuse" or "resample" DICOM series with a gantry tilt, see `dicom.read_series`.
        retry_skipped: whether to retry unchanged cases that an earlier run could not use.
        contact_sheet: whether to draw ``contact_sheet.png``.
        progress: whether to show a progress bar.

    Returns:
        A short report; the full one is in ``report.json`` and ``report.txt`` in ``output``.

    Raises:
        InputError: the sources or the exclusion list cannot be read, ``output`` is not a slice store or cannot be
            written, another process writes to it, a report in it was edited, a package is missing, or no case could be
            used.
    """
    require_blosc2()
    if contact_sheet:
        require_matplotlib("the contact sheet", otherwise="set contact_sheet to false")
    root = Path(output).expanduser()
    exclusions = ExclusionList(exclude)
    cases = list_source_cases(sources, modality, exclude=root)
    report = CurationReport()
    wanted: list[SourceCase] = []
    for case in cases:
        if line := exclusions.match_name(case.names):
            report.skip(case, "excluded", f"matches '{line}' in the exclusion list")
        else:
            wanted.append(case)
    _check_output(root)
    with (
        ends_on_signal("cases that were read are kept; run the same command again to continue"),
        OutputFolder(root).held((STORE_FILE, *REPORT_FILES, *([CONTACT_SHEET] if contact_sheet else []))),
    ):
        _prepare_output(root, cases)
        reading = Reading(check_modality, gantry_tilt)
        notes = _read_missing(wanted, root, num_workers, ray, reading, retry_skipped, progress)
        taken = _write_store(root, wanted, notes, exclusions, report)
        report.unused_exclusions = exclusions.unused()
        summary = report.write(root)
        if not taken:
            raise InputError(f"no case could be used ({len(cases)} listed); {root / 'report.txt'} says why.\n{summary}")
        if contact_sheet:
            write_contact_sheet(root / CONTACT_SHEET, SliceStore(root))
    return summary


def curate_case(case: SourceCase, root: Path, reading: Reading) -> str:
    """Read a case, store its voxels, and write a note with the result. Returns the note as JSON.

    Raises:
        OSError: the store cannot be written.
    """
    key = _note_key(case, reading)
    volume, note = None, dict[str, Any]()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            if key is None:
                raise InputError(f"{case.path}: no such file. Correct or remove it from the list of cases.")
            check_problem({"problem": case.problem} if case.problem else {})
            volume = read_case(
                case.path,
                case.modality,
                series_uid=case.series_uid,
                check_modality=reading.check_modality,
                gantry_tilt=reading.gantry_tilt,
            )
        except Refused as error:
            note = {"skipped": error.kind, "why": str(error)}
        except InputError as error:
            note = {"skipped": "unreadable", "why": str(error)}
        except MemoryError:
            note = {"skipped": "too large", "why": f"{case.path}: not enough memory. Run again with fewer num_workers."}
        except Exception as error:  # one broken file must not end a run over thousands
            note = {"skipped": "failed", "why": f"{case.path}: {type(error).__name__}: {last_line(error)}"}
    if volume is not None:
        note = _store_volume(case, volume, root)
    note["warnings"] = sorted({str(warning.message) for warning in caught if case.path in str(warning.message)})
    text = json.dumps(note, ensure_ascii=False)
    # without a note the case is tried again: a missing file may appear, or memory may suffice next time
    if key is not None and note.get("skipped") not in ("too large", "failed"):
        _write_note(root / NOTES / f"{key}.json", text)
    return text


def _write_note(path: Path, text: str) -> None:
    with AtomicFiles() as files:
        write_text(files.path(path), text)


def _store_volume(case: SourceCase, volume: CuratedVolume, root: Path) -> dict[str, Any]:
    """Store the voxels; return their entry for the note."""
    stored = store_volume(
        root,
        volume.slices,
        numbers=volume.numbers,
        source_set=case.source_set,
        case_id=case.case_id,
        file=case.file,
        modality=case.modality,
        source_slices=volume.source_slices,
        spacing_mm=volume.spacing_mm,
        scale=volume.scale,
        offset=volume.offset,
    )
    return {**stored.to_dict(), "changed": volume.changed}


def _note_key(case: SourceCase, reading: Reading) -> str | None:
    key = case.key()
    return None if key is None else f"{key}-{_RECIPE}{reading.suffix}"


def _read_missing(
    cases: list[SourceCase],
    root: Path,
    num_workers: int | None,
    ray: bool | str,
    reading: Reading,
    retry_skipped: bool,
    progress: bool,
) -> list[dict[str, Any]]:
    """Return the notes of all cases, after reading those without one."""
    notes: list[dict[str, Any] | None] = [
        _existing_note(root, _note_key(case, reading), retry_skipped) for case in cases
    ]
    missing = [number for number, note in enumerate(notes) if note is None]
    work = partial(curate_case, root=root, reading=reading)
    items = [cases[number] for number in missing]
    results: Iterator[tuple[int, str]]
    if not items:
        results = iter(())
    elif ray:
        results = map_on_ray(work, items, address=ray if isinstance(ray, str) else None)
    else:
        results = map_locally(work, items, num_workers=num_workers)
    bar = tqdm(
        results, desc="curating", unit="case", initial=len(cases) - len(items), total=len(cases), disable=not progress
    )
    try:
        for place, text in bar:
            notes[missing[place]] = json.loads(text)
    except OSError as error:
        raise InputError(
            f"{root}: cannot be written ({last_line(error)}). Free some space or choose another output; run the same "
            f"command again to continue where it stopped."
        ) from error
    return [note for note in notes if note is not None]


def _existing_note(root: Path, key: str | None, retry_skipped: bool) -> dict[str, Any] | None:
    if key is None:
        return None
    try:
        note: dict[str, Any] = json.loads((root / NOTES / f"{key}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if "skipped" in note:
        return None if retry_skipped else note
    # the voxels of a case that was excluded in between are deleted
    return note if (root / VolumeRecord.from_dict(note["record"]).data_file).is_file() else None


def _write_store(
    root: Path, cases: list[SourceCase], notes: list[dict[str, Any]], exclusions: ExclusionList, report: CurationReport
) -> list[StoredVolume]:
    """Select from the volumes with notes, in the order of the cases, and write the index."""
    taken: list[StoredVolume] = []
    first: dict[str, SourceCase] = {}
    for case, note in zip(cases, notes, strict=True):
        report.warnings += note["warnings"]
        if "skipped" in note:
            report.skip(case, note["skipped"], note["why"])
            continue
        volume = StoredVolume.from_dict(note)
        record = volume.record
        if line := exclusions.match_content(record.sha256):
            report.skip(case, "excluded", f"its content matches '{line}' in the exclusion list")
        elif record.sha256 in first:
            same = first[record.sha256]
            report.skip(
                case, "duplicate", f"{case.path}: the same voxels as {same.source_set}/{same.case_id} ({same.path})"
            )
        else:
            first[record.sha256] = case
            taken.append(volume)
            report.take(case, record, note["changed"])
    if taken:
        write_index(root, taken)
    return taken


def _check_output(root: Path) -> None:
    """Refuse a folder that is not a slice store."""
    known = (root / NOTES).is_dir() or (root / STORE_FILE).is_file()
    if root.exists() and not known and not is_empty_folder(root):
        raise InputError(f"{root}: exists and is not a slice store. Choose a new folder as output.")


def _prepare_output(root: Path, cases: list[SourceCase]) -> None:
    """Refuse a store made from other sources, and remove incomplete files of an interrupted run."""
    listing = root / NOTES / "sources.txt"
    names = sorted({case.source_set for case in cases})
    before = set(listing.read_text(encoding="utf-8").splitlines()) if listing.is_file() else set()
    if lost := sorted(before - set(names)):
        raise InputError(
            f"{root}: also contains other sources ({', '.join(lost)}), which would be removed. To add to it, give the "
            "old and the new sources; otherwise choose another output."
        )
    try:
        (root / NOTES).mkdir(parents=True, exist_ok=True)
        for folder in (root / NOTES, *root.glob("volumes/??")):
            remove_dead_temporaries(folder)
        _write_note(listing, "".join(f"{name}\n" for name in names))
    except OSError as error:
        raise InputError(f"{root}: cannot be written ({error}). Choose another output.") from error
