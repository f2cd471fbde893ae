"""What a curation took and left out, counted."""

import json

import pytest

from meddino_components.data.curation.report import CurationReport
from meddino_components.data.curation.sources import SourceCase
from meddino_components.data.slice_store.store import VolumeRecord


def case(case_id):
    return SourceCase(
        source_set="säts", case_id=case_id, file=f"{case_id}.nii", path=f"/x/{case_id}.nii", modality="ct"
    )


def record(case_id, slices, source_slices):
    return VolumeRecord(
        source_set="säts", case_id=case_id, file=f"{case_id}.nii", modality="ct", shape=(slices, 512, 64),
        source_slices=source_slices, spacing_mm=(0.70312512, 0.8, 2.5), scale=1.0, offset=0.0, sha256="ab" * 32,
    )  # fmt: skip


@pytest.fixture
def report():
    report = CurationReport()
    report.take(case("a"), record("a", 1200, 1230), {"clipped": 1000, "rounded": 5})
    report.take(case("long name"), record("long name", 30, 30), {"clipped": 234})
    report.skip(case("b"), "unreadable", "b: zero bytes")
    report.skip(case("c"), "duplicate", "the same voxels as säts/a")
    report.skip(case("d"), "unreadable", "d: no such file")
    report.warnings.append("a: one voxel is NaN")
    report.unused_exclusions = [f"line {number}" for number in range(6)]
    return report


def test_totals(report):
    assert report.totals() == {
        "cases_taken": 2,
        "slices": 1230,
        "air_slices_dropped": 30,
        "changed_voxels": {"clipped": 1234, "rounded": 5},
        "cases_skipped": {"duplicate": 1, "unreadable": 2},
    }


def test_the_text_for_a_person(report, tmp_path):
    head = report.write(tmp_path)
    assert head.splitlines() == [
        "2 cases with 1,230 slices taken, 30 slices of air dropped",
        "1 case skipped: duplicate",
        "2 cases skipped: unreadable",
        "1,234 voxels clipped",
        "5 voxels rounded",
        "6 lines of the exclusion list matched no case: 'line 0', 'line 1', 'line 2', 'line 3', 'line 4'",
        f"report: {tmp_path / 'report.txt'}",
    ]
    blocks = (tmp_path / "report.txt").read_text(encoding="utf-8").rstrip("\n").split("\n\n")
    assert blocks[0] == head.rpartition("\n")[0]
    assert blocks[1].splitlines() == [
        "skipped     source set  case  why",
        "unreadable  säts        b     b: zero bytes",
        "duplicate   säts        c     the same voxels as säts/a",
        "unreadable  säts        d     d: no such file",
    ]
    assert blocks[2:] == [
        "warnings\na: one voxel is NaN",
        "taken  source set  case       rows x columns x slices\n"
        "ct     säts        a          512 x 64 x 1200, 0.703 x 0.8 x 2.5 mm\n"
        "ct     säts        long name  512 x 64 x 30, 0.703 x 0.8 x 2.5 mm",
    ]


def test_the_json_for_a_program(report, tmp_path):
    report.write(tmp_path)
    content = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert content["totals"] == report.totals()
    assert content["taken"][0] == {
        "source_set": "säts",
        "case_id": "a",
        "file": "a.nii",
        "modality": "ct",
        "slices": 1200,
        "air_slices_dropped": 30,
        "rows": 512,
        "columns": 64,
        "spacing_mm": [0.7031, 0.8, 2.5],
        "changed_voxels": {"clipped": 1000, "rounded": 5},
        "sha256": "ab" * 32,
    }
    assert content["skipped"][1] == {
        "source_set": "säts",
        "case_id": "c",
        "file": "c.nii",
        "kind": "duplicate",
        "why": "the same voxels as säts/a",
    }


def test_a_report_of_nothing(tmp_path):
    assert CurationReport().write(tmp_path).startswith("0 cases with 0 slices taken, 0 slices of air dropped\nreport: ")
    assert (tmp_path / "report.txt").read_text() == "0 cases with 0 slices taken, 0 slices of air dropped\n"
