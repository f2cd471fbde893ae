"""Volumes of many kinds become one slice store.

Every case that was read leaves a note in ``.curation/``, written after its voxels are in the store's folder; a run that
was killed goes on from these notes and ends with the same files as one that was not. The index is made last, from the
notes alone, so duplicates and exclusions do not depend on the order in which workers finish.
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
# part of a note's name: bump when a case would be stored differently
_RECIPE = 1


@dataclass(frozen=True)
class Reading:
    """How a scan is read, see `curate`."""

    check_modality: bool
    gantry_tilt: GantryTilt

    @property
    def suffix(self) -> str:
        """What a note's key says of it, if it is not the usual way."""
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
    """Make a slice store of folders, data sets and data lists.

    Every slice keeps its full field of view at native spacing, in int16 HU (MR: see `read_case`), its source set, case
    and slice number. Slices of air are dropped. Cases that cannot be read, are not of the modality, recur with the same
    voxels or are excluded are left out, and the report says why. Nothing is taken from headers but the grid, so names,
    ids and dates of patients do not get into store or report unless file names hold them.

    A run that was stopped goes on where it was; files that were read once are not read again unless they change. More
    sources can be added by naming the old and the new ones.

    Args:
        sources: a path, several, or a mapping of source sets' names to paths, see `list_source_cases`.
        output: folder of the store; local, or on a file system that all nodes of the cluster share.
        modality: "ct" or "mr", never guessed; None where every source states it.
        exclude: a text file of cases to leave out, see `ExclusionList`.
        num_workers: local processes; None takes one a core.
        ray: True runs on Ray on this machine, an address ("auto", "ray://head:10001") on that cluster.
        check_modality: refuse intensities that contradict the modality, and pictures of 8 bits.
        gantry_tilt: "refuse" DICOM series with a gantry tilt or "resample" them, see `dicom.read_series`.
        retry_skipped: read cases again that an earlier run could not use although their files did not change.
        contact_sheet: draw ``contact_sheet.png``.
        progress: show a progress bar.

    Returns:
        The report in short; in full it is ``report.json`` and ``report.txt`` in ``output``.

    Raises:
        InputError: the sources or the exclusion list cannot be read, ``output`` is something else or cannot be written,
            another process writes to it or a report in it was edited, a package is missing, or no case could be taken.
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
            report.skip(case, "excluded", f"named by '{line}' of the exclusion list")
        else:
            wanted.append(case)
    _check_output(root)
    with (
        ends_on_signal("cases that were read are kept, the same command goes on with the others"),
        OutputFolder(root).held((STORE_FILE, *REPORT_FILES, *([CONTACT_SHEET] if contact_sheet else []))),
    ):
        _prepare_output(root, cases)
        reading = Reading(check_modality, gantry_tilt)
        notes = _read_missing(wanted, root, num_workers, ray, reading, retry_skipped, progress)
        taken = _write_store(root, wanted, notes, exclusions, report)
        report.unused_exclusions = exclusions.unused()
        summary = report.write(root)
        if not taken:
            raise InputError(f"no case of {len(cases)} could be taken; {root / 'report.txt'} says why.\n{summary}")
        if contact_sheet:
            write_contact_sheet(root / CONTACT_SHEET, SliceStore(root))
    return summary


def curate_case(case: SourceCase, root: Path, reading: Reading) -> str:
    """Read a case, put its voxels in place, and note what became of it. Returns the note, JSON.

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
        except Exception as error:  # one odd file must not end a run over thousands
            note = {"skipped": "failed", "why": f"{case.path}: {type(error).__name__}: {last_line(error)}"}
    if volume is not None:
        note = _store_volume(case, volume, root)
    note["warnings"] = sorted({str(warning.message) for warning in caught if case.path in str(warning.message)})
    text = json.dumps(note, ensure_ascii=False)
    # without a note it is tried again: a missing file may come, memory may be there next time
    if key is not None and note.get("skipped") not in ("too large", "failed"):
        _write_note(root / NOTES / f"{key}.json", text)
    return text


def _write_note(path: Path, text: str) -> None:
    with AtomicFiles() as files:
        write_text(files.path(path), text)


def _store_volume(case: SourceCase, volume: CuratedVolume, root: Path) -> dict[str, Any]:
    """Put the voxels in place; returns what the note says about them."""
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
    """The notes of all cases, after those without one were read."""
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
            f"{root}: cannot be written ({last_line(error)}). Make room or choose another output; run the same command "
            "again and it goes on where it stopped."
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
    # voxels of a case that was excluded for a while are gone
    return note if (root / VolumeRecord.from_dict(note["record"]).data_file).is_file() else None


def _write_store(
    root: Path, cases: list[SourceCase], notes: list[dict[str, Any]], exclusions: ExclusionList, report: CurationReport
) -> list[StoredVolume]:
    """Choose among the noted volumes, in the order of the cases, and write the index."""
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
            report.skip(case, "excluded", f"its content is '{line}' of the exclusion list")
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
    """Refuse a folder that is something else."""
    known = (root / NOTES).is_dir() or (root / STORE_FILE).is_file()
    if root.exists() and not known and not is_empty_folder(root):
        raise InputError(f"{root}: exists and is not a slice store. Choose a new folder as output.")


def _prepare_output(root: Path, cases: list[SourceCase]) -> None:
    """Refuse a store of other sources, clear what a killed run left half written."""
    listing = root / NOTES / "sources.txt"
    names = sorted({case.source_set for case in cases})
    before = set(listing.read_text(encoding="utf-8").splitlines()) if listing.is_file() else set()
    if lost := sorted(before - set(names)):
        raise InputError(
            f"{root}: was made of other sources too ({', '.join(lost)}), which would be removed. Name the old and the "
            "new sources to add to it, or choose another output."
        )
    try:
        (root / NOTES).mkdir(parents=True, exist_ok=True)
        for folder in (root / NOTES, *root.glob("volumes/??")):
            remove_dead_temporaries(folder)
        _write_note(listing, "".join(f"{name}\n" for name in names))
    except OSError as error:
        raise InputError(f"{root}: cannot be written ({error}). Choose another output.") from error
