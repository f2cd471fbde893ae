"""A segmentation metric of the user's: one file, and one entry of a list."""

import csv
import json

import numpy as np
import pytest
from command_lines import bundle_command, run_preloaded

VOLUME_ERROR = """
from meddino_components.evaluation import SegmentationMetric


class VolumeError(SegmentationMetric):
    name, title, unit, higher_is_better = "volume_error", "volume error", "%", False
    missed = 100.0

    def __call__(self, prediction, reference, spacing_mm):
        return 100 * abs(int(prediction.sum()) - int(reference.sum())) / int(reference.sum())
"""
METRICS = [{"_target_": "volume_error.VolumeError"}, {"_target_": "meddino_components.evaluation.Dice"}]


@pytest.fixture(scope="module")
def results(phantoms, model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("own metric")
    (folder / "volume_error.py").write_text(VOLUME_ERROR, encoding="utf-8")
    settings = {"dataset_dir": str(phantoms), "output_dir": str(folder / "out"), "model_path": str(model)}
    command = bundle_command(["evaluate", "laptop"], {**settings, "metrics": METRICS})
    done = run_preloaded(*command, cwd=folder)
    assert done.returncode == 0, done.stderr[-4000:]
    return folder / "out"


def test_its_column_holds_its_values(results):
    with (results / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["case", "organ", "volume_error", "dice", "reference_ml", "prediction_ml"]
    counted = [row for row in rows if float(row["reference_ml"])]
    assert len(counted) >= 10
    for row in counted:
        reference, prediction = float(row["reference_ml"]), float(row["prediction_ml"])
        assert float(row["volume_error"]) == pytest.approx(100 * abs(prediction / reference - 1), rel=1e-3, abs=1e-3)


def test_summary_and_page_have_it(results):
    document = json.loads((results / "metrics.json").read_text(encoding="utf-8"))
    means = [organ["volume_error"]["mean"] for organ in document["organs"].values()]
    assert document["mean_volume_error"] == pytest.approx(np.mean([mean for mean in means if mean is not None]))
    page = (results / "report.html").read_text(encoding="utf-8")
    assert "<th>volume error (%) mean</th>" in page
    assert "<h2>volume error (%) of each case</h2>" in page
    assert "by mean volume error (%) over the organs" in page  # the first of the list ranks the cases
