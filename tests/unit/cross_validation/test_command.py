import json

import pytest
from planted_folds import planted_fold, score, write_evaluation

from meddino_components.cross_validation import command
from meddino_components.cross_validation.command import cross_validate
from meddino_components.cross_validation.plan import Plan
from meddino_components.errors import InputError
from meddino_components.evaluation import PUBLISHED_METRICS
from meddino_components.files import OutputFolder


@pytest.fixture
def planted(monkeypatch):
    """Folds of one case each, in place of those of a bundle; returns what `make_plan` was asked for."""
    asked = []

    def make_plan(*, folder, n_folds, **given):
        asked.append(given)
        folds = [planted_fold(folder, number) for number in range(n_folds)]
        for fold in folds:
            if not fold.log.exists():
                write_evaluation(fold, [score(f"case{fold.number}", "liver", 0.5 + 0.1 * fold.number)])
        return Plan(
            title="Cross-validation of a test",
            folds=folds,
            cases=[[{"case_id": f"case{number}"}] for number in range(n_folds)],
            steps=3,
            metrics=PUBLISHED_METRICS,
            settings={"folds": n_folds, **given["settings"]},
        )

    monkeypatch.setattr(command, "make_plan", make_plan)
    return asked


def test_all_folds_then_one_report(planted, tmp_path, capsys):
    output = tmp_path / "out"
    report = cross_validate("data", str(output), folds=3, overlay_config="laptop", n_resamples=50, epochs=2)
    assert report == str(output / "report.html")
    (asked,) = planted
    assert asked["overlays"] == ["laptop"]
    assert asked["settings"] == {"epochs": 2}
    found = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    assert found["cases"]["scored"] == 3
    assert found["mean_dice"] == pytest.approx(0.6)
    assert "fold 2 is finished" in capsys.readouterr().err
    # again: nothing is trained, and the report is the same
    times = [(output / f"fold_{number}" / "log.jsonl").stat().st_mtime_ns for number in range(3)]
    cross_validate("data", str(output), folds=3, n_resamples=50, epochs=2, progress=False)
    assert times == [(output / f"fold_{number}" / "log.jsonl").stat().st_mtime_ns for number in range(3)]
    assert json.loads((output / "metrics.json").read_text(encoding="utf-8")) == found


def test_a_changed_setting_and_a_second_writer_are_refused(planted, tmp_path):
    cross_validate("data", str(tmp_path), folds=2, n_resamples=0, progress=False)
    with pytest.raises(InputError, match=r"begun with other settings \(epochs was not set, now 3\)"):
        cross_validate("data", str(tmp_path), folds=2, n_resamples=0, progress=False, epochs=3)
    (tmp_path / "report.html").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="edited since"):
        cross_validate("data", str(tmp_path), folds=2, n_resamples=0, progress=False)


def test_one_writer(planted, tmp_path, monkeypatch):
    held = []
    monkeypatch.setattr(OutputFolder, "held", lambda self, names: held.append((self.path, list(names))) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cross_validate("data", str(tmp_path), folds=2)
    assert held == [(tmp_path, ["report.html", "metrics.json", "metrics.csv", "cross_validation.json"])]


def test_gpus_of_a_cluster_are_not_chosen(tmp_path):
    with pytest.raises(InputError, match="--devices and --ray are both given"):
        cross_validate("data", str(tmp_path), devices=[0], ray="auto")
