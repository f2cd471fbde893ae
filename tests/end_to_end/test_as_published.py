"""Fine-tuning and evaluation under the overlays for comparison with the published numbers."""

import json

import pytest
from command_lines import AMOS
from in_process import command, run_here

from meddino_components.checkpoints import read_record


@pytest.mark.slow
def test_weights_and_report_say_how_they_came_about(phantoms, training_overrides, tmp_path, monkeypatch):
    plan = tmp_path / "plan.json"
    assert command("plan", phantoms, "amos", "--roi_size", "64", "--output", plan) == 0
    typed = {key: value for key, value in training_overrides.items() if key not in ("pixdim", "roi_size")}
    run_here(["train", "reproduction", plan.with_suffix("")], {**typed, "modality": "ct"})
    record = read_record(typed["model_path"])
    assert record.plan["resampling"] == "cubic"
    assert record.plan["fingerprint"] == json.loads(plan.read_text(encoding="utf-8"))["fingerprint"]
    assert record.metrics == {"kept": "last", "epoch": 2}
    output = tmp_path / "evaluation"
    settings = {"dataset_dir": str(phantoms), "model_path": typed["model_path"], "output_dir": str(output)}
    run_here(["evaluate", "reproduction_evaluate"], settings, bundle=AMOS)
    document = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    assert document["network"] == record.metrics
    found = {key: document["settings"][key] for key in ("resampling", "mirror_axes", "fingerprint")}
    assert found == {
        "resampling": "cubic",
        "mirror_axes": [0, 1],
        "fingerprint": record.plan["fingerprint"],
    }
