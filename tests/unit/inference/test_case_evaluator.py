"""A folder of cases: one that fails is recorded, the others go on."""

from __future__ import annotations

import csv
import json
import os
import signal
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from ignite.metrics import Average
from inference_support import Thresholds, Unwanted, evaluator, phantom, run, save
from monai.data import Dataset
from monai.transforms import Compose

from meddino_components.data import list_cases
from meddino_components.errors import InputError


def outputs(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith(("summary", ".meddino")))


def test_a_corrupt_case_is_recorded_and_the_others_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "c"):
        save(tmp_path / "in" / f"{name}.nii.gz")
    (tmp_path / "in" / "b.nii.gz").write_bytes((tmp_path / "in" / "a.nii.gz").read_bytes()[:150])
    out = tmp_path / "out"
    engine = evaluator(list_cases(tmp_path / "in", modality="ct"), out)
    engine.run()
    assert [(c.case_id, c.status) for c in engine.summary.cases] == [("a", "ok"), ("b", "failed"), ("c", "ok")]
    assert outputs(out) == ["a.json", "a.nii.gz", "c.json", "c.nii.gz"]
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert (summary["ok"], summary["failed"], summary["skipped"]) == (2, 1, 0)
    assert "b.nii.gz" in summary["cases"][1]["error"]
    assert (out / "summary.csv").read_text(encoding="utf-8").count("failed") == 1
    printed = capsys.readouterr().out
    assert "3 cases: 2 ok, 1 failed, 0 skipped" in printed
    assert "Traceback" not in printed
    with pytest.raises(SystemExit) as end:
        engine.exit_if_failed()
    assert end.value.code == 1


def test_no_failure_no_exit(tmp_path: Path) -> None:
    engine = evaluator(list_cases(save(tmp_path / "a.nii.gz"), modality="ct"), tmp_path / "out")
    engine.run()
    engine.exit_if_failed()


def test_skip_existing(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(tmp_path / "in" / f"{name}.nii.gz")
    cases = list_cases(tmp_path / "in", modality="ct")
    evaluator(cases[:1], tmp_path / "out").run()
    stamp = (tmp_path / "out" / "a.nii.gz").stat().st_mtime_ns
    engine = evaluator(cases, tmp_path / "out", skip_existing=True)
    engine.run()
    assert [c.status for c in engine.summary.cases] == ["skipped", "ok"]
    assert (tmp_path / "out" / "a.nii.gz").stat().st_mtime_ns == stamp


def test_same_file_names_do_not_collide(tmp_path: Path) -> None:
    for k, name in enumerate(("case_1", "case_2")):
        save(tmp_path / "in" / name / "imaging.nii.gz", phantom() * (k + 1) % 4)
    cases = list_cases(tmp_path / "in", modality="ct")
    evaluator(cases, tmp_path / "out").run()
    for k, name in enumerate(("case_1", "case_2")):
        labels = nib.load(tmp_path / "out" / f"{name}_imaging.nii.gz")
        np.testing.assert_array_equal(np.asarray(labels.dataobj), phantom() * (k + 1) % 4)
    with pytest.raises(InputError, match="repeated case ids: 1"):
        evaluator([{**case, "case_id": "Imaging"} for case in cases], tmp_path / "out").run()


def test_spaces_and_letters_of_other_alphabets(tmp_path: Path) -> None:
    source = save(tmp_path / "Übung ä 肝" / "Fall 1, Größe.nii.gz")
    engine = evaluator(list_cases(source.parent, modality="mr"), tmp_path / "out put é", writer={"overlay": True})
    engine.run()
    assert engine.summary.count("ok") == 1, engine.summary.text()
    assert outputs(tmp_path / "out put é") == [f"Fall 1, Größe{s}" for s in (".json", ".nii.gz", ".png")]


def test_the_bundle_folder_may_be_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, bundle = save(tmp_path / "a.nii.gz"), tmp_path / "bundle"
    bundle.mkdir(mode=0o555)
    monkeypatch.chdir(bundle)
    engine = evaluator(list_cases(source, modality="ct"), tmp_path / "out", writer={"overlay": True})
    engine.run()
    assert engine.summary.count("ok") == 1
    assert list(bundle.iterdir()) == []  # root may write to it all the same


def test_empty_list_and_missing_id(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="data list is empty"):
        evaluator([], tmp_path).run()
    with pytest.raises(InputError, match="no 'case_id'"):
        evaluator([{"image": "a.nii.gz"}], tmp_path).run()


def test_output_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="writable folder"):
        evaluator(list_cases(save(tmp_path / "a.nii.gz"), modality="ct"), tmp_path / "file" / "out").run()


def test_metrics_and_handlers_see_the_cases_that_succeeded(tmp_path: Path) -> None:
    for name in ("a", "c"):
        save(tmp_path / "in" / f"{name}.nii.gz")
    (tmp_path / "in" / "b.nii.gz").write_bytes(b"")
    seen: list[int] = []

    class Counter:
        def attach(self, engine: Any) -> None:
            from ignite.engine import Events

            engine.add_event_handler(Events.ITERATION_COMPLETED, lambda e: seen.append(len(e.state.output)))

    metric = Average(output_transform=lambda output: float((output[0]["pred"] > 0).sum()))
    engine = evaluator(
        list_cases(tmp_path / "in", modality="ct"), tmp_path / "out",
        val_handlers=[Counter()], key_val_metric={"voxels": metric},
    )  # fmt: skip
    engine.run()
    assert seen == [1, 0, 1]
    assert engine.state.metrics["voxels"] == (phantom() > 0).sum()


def test_network_runs_in_eval_mode_and_keeps_its_mode(tmp_path: Path) -> None:
    modes: list[bool] = []

    class Probe(Thresholds):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            modes.append(self.training)
            return super().forward(x)

    network = Probe().train()
    evaluator(list_cases(save(tmp_path / "a.nii.gz"), modality="ct"), tmp_path / "out", network=network).run()
    assert set(modes) == {False}
    assert network.training


def test_a_failed_case_leaves_no_probabilities(tmp_path: Path) -> None:
    source = save(tmp_path / "a.nii.gz")

    class Damaged(Thresholds):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) * float("nan")

    engine = evaluator(
        list_cases(source, modality="ct"), tmp_path / "out", network=Damaged(), probabilities=True
    )  # fmt: skip
    engine.run()
    assert "slice 0" in engine.summary.cases[0].error
    assert outputs(tmp_path / "out") == []


def test_dataset_without_transform_is_refused_in_one_line(tmp_path: Path) -> None:
    cases = list_cases(save(tmp_path / "a.nii.gz"), modality="ct")
    engine = evaluator(cases, tmp_path / "out", dataset=Dataset(cases))
    engine.run()
    assert engine.summary.count("failed") == 1
    assert "\n" not in engine.summary.cases[0].error


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_gives_up_the_case_and_the_summary_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], number: signal.Signals, status: int
) -> None:
    for name in "abcde":
        save(tmp_path / "in" / f"{name}.nii.gz")

    def interrupted(case: dict[str, Any]) -> dict[str, Any]:
        if case["case_id"] == "b":
            os.kill(os.getpid(), number)
        return case

    engine = evaluator(list_cases(tmp_path / "in", modality="ct"), tmp_path / "out")
    before = engine.dataset.transform
    engine.dataset = Dataset(engine.dataset.data, Compose([*before.transforms, interrupted]))
    with pytest.raises(SystemExit) as end:
        engine.run()
    assert end.value.code == status
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert (summary["interrupted"], summary["ok"], summary["failed"]) == ("1 of 5", 1, 0)
    assert outputs(tmp_path / "out") == ["a.json", "a.nii.gz"]
    assert f"interrupted by {number.name}, 1 of 5" in capsys.readouterr().out


def test_a_whole_run_was_not_interrupted(tmp_path: Path) -> None:
    engine = evaluator(list_cases(save(tmp_path / "a.nii.gz"), modality="ct"), tmp_path / "out")
    engine.run()
    assert json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))["interrupted"] is None


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_scan_survives_a_run_into_its_own_folder(tmp_path: Path, overwrite: bool) -> None:
    scan = save(tmp_path / "in" / "scan.nii.gz")
    before = scan.read_bytes()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    for out in (tmp_path / "in", tmp_path / "link", tmp_path / "in" / ".." / "in"):
        with pytest.raises(InputError, match=r"scan\.nii\.gz: is an input of this run"):
            run(scan, out, network=Unwanted(), overwrite=overwrite, writer={"overwrite": overwrite})
        assert scan.read_bytes() == before


@pytest.mark.parametrize("name", ["a.nii.gz", "a.json", "a.png", "summary.json", "summary.csv", "a.npy"])
def test_files_of_the_users_are_refused_by_name(tmp_path: Path, name: str) -> None:
    scan, out = save(tmp_path / "in" / "a.nii.gz"), tmp_path / "out"
    out.mkdir()
    (out / name).write_text("the user's")
    with pytest.raises(InputError, match=rf"{name}: not written by meddino, so never replaced"):
        run(scan, out, network=Unwanted(), overwrite=True, writer={"overlay": True, "overwrite": True},
            probabilities=True)  # fmt: skip
    assert (out / name).read_text() == "the user's"
    assert [path.name for path in out.iterdir() if path.name != ".meddino"] == [name]


def test_a_corrected_label_map_is_kept_unless_overwritten(tmp_path: Path) -> None:
    scan, out = save(tmp_path / "in" / "a.nii.gz"), tmp_path / "out"
    run(scan, out)
    run(scan, out)  # an unedited result is replaced without a question
    save(out / "a.nii.gz", phantom() * 0)
    corrected = (out / "a.nii.gz").read_bytes()
    for skip in (False, True):
        with pytest.raises(InputError, match=r"a\.nii\.gz: edited since meddino wrote it.*--overwrite"):
            run(scan, out, network=Unwanted(), skip_existing=skip)
    assert (out / "a.nii.gz").read_bytes() == corrected
    run(scan, out, overwrite=True, writer={"overwrite": True})
    np.testing.assert_array_equal(np.asarray(nib.load(out / "a.nii.gz").dataobj), phantom())


def test_a_name_that_is_not_utf8_loses_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"h\xfctte $x_{$")
    save(tmp_path / "in" / "b.nii.gz").rename(tmp_path / "in" / f"{name}.nii.gz")
    save(tmp_path / "in" / "a.nii.gz")
    engine = run(tmp_path / "in", tmp_path / "out", writer={"overlay": True})
    assert engine.summary.count("ok") == 2, engine.summary.text()
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert [case["case_id"] for case in summary["cases"]] == ["a", name]
    with (tmp_path / "out" / "summary.csv").open(encoding="utf-8") as file:
        assert list(dict.fromkeys(row["case_id"] for row in csv.DictReader(file))) == ["a", "h\\udcfctte $x_{$"]
    assert (tmp_path / "out" / f"{name}.png").stat().st_size > 1000
    assert "h\\udcfctte" in capsys.readouterr().out
    again = run(tmp_path / "in", tmp_path / "out", writer={"overlay": True}, skip_existing=True)
    assert again.summary.count("skipped") == 2


def test_names_up_to_the_limit_of_the_file_system(tmp_path: Path) -> None:
    scan = save(tmp_path / "in" / f"{'x' * 248}.nii.gz")
    assert run(scan, tmp_path / "out", writer={"overlay": True}).summary.count("ok") == 1
    cases = [{"image": str(scan), "case_id": "x" * 249, "modality": "ct"}]
    with pytest.raises(InputError, match="the name has 256 bytes, but the file system allows 255"):
        evaluator(cases, tmp_path / "out", network=Unwanted()).run()
