"""Weights of the best validation and of the end."""

import torch
from planned_scores import Scores
from tiny_trainer import TinyRun
from torch import nn

from meddino_components.checkpoints import WeightsRecord, read_record, sha256_of
from meddino_components.training import BestModel, LastModel


def test_best_model_is_written_at_improvements_only(tmp_path):
    path = tmp_path / "models" / "model.pt"
    path.parent.mkdir()
    scores = [0.2, 0.1, 0.2, 0.5, 0.4]
    validation, written = Scores(scores), []
    BestModel(network=validation.network, path=path).attach(validation.engine)
    for epoch in range(1, len(scores) + 1):
        nn.init.constant_(validation.network.weight, epoch)
        validation.engine.run(epoch)
        written.append(torch.load(path, weights_only=True)["weight"].item())
        assert (path.parent / "model.pt.sha256").read_text(encoding="utf-8") == f"{sha256_of(path)}  model.pt\n"
    assert written == [1, 1, 1, 4, 4]


def test_weights_say_whether_they_are_the_best_or_the_last(tmp_path):
    record = WeightsRecord(architecture=None, plan={}, labels={}, channels=())
    validation = Scores([0.2, 0.5, 0.4])
    BestModel(network=validation.network, path=tmp_path / "best.pt", record=record).attach(validation.engine)
    for epoch in (1, 2, 3):
        validation.engine.run(epoch)
    (name,) = set(read_record(tmp_path / "best.pt").metrics) - {"kept", "epoch"}
    assert read_record(tmp_path / "best.pt").metrics == {"kept": "best", "epoch": 2, name: 0.5}
    run = TinyRun(epochs=3)
    run.run(LastModel(network=run.network, path=tmp_path / "last.pt", record=record))
    assert read_record(tmp_path / "last.pt").metrics == {"kept": "last", "epoch": 3}


def test_the_file_of_before_is_kept_under_its_hash(tmp_path):
    path, previous = tmp_path / "model.pt", tmp_path / "previous"
    first = TinyRun(epochs=1, seed=1)
    first.run(LastModel(network=first.network, path=path, previous_dir=previous))
    assert not previous.exists()
    before, digest = path.read_bytes(), sha256_of(path)
    run = TinyRun(epochs=1)
    run.run(LastModel(network=run.network, path=path, previous_dir=previous))
    kept = previous / f"model_{digest[:12]}.pt"
    assert kept.read_bytes() == before
    assert (previous / f"{kept.name}.sha256").read_text(encoding="utf-8") == f"{digest}  {kept.name}\n"
    assert torch.equal(torch.load(path, weights_only=True)["0.weight"], run.network[0].weight)
