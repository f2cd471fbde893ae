"""Scores and pictures of a training, which goes on as if they were not made."""

import json
import logging
import random

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from ignite.engine import Events
from tiny_self_distillation import SeenMetrics, evaluation, labelled_slices, on_process, run
from tiny_student_teacher import tiny_student_teacher
from visible_files import visible

from meddino_components.errors import InputError
from meddino_components.features import FeaturePictures, LabelledSlices
from meddino_components.probing import GatedAttention
from meddino_components.self_distillation.collapse_monitor import CollapseMonitor
from meddino_components.self_distillation.feature_evaluation import FeatureEvaluation


def lines(folder):
    return [json.loads(line) for line in (folder / "feature_scores.jsonl").read_text(encoding="utf-8").splitlines()]


def random_states():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002


@pytest.mark.parametrize(("unit", "interval", "expected"), [("epoch", 1, [0, 3, 6]), ("iteration", 4, [0, 4])])
def test_scores_and_pictures(tmp_path, unit, interval, expected):
    network, seen = tiny_student_teacher(), []
    run(network, evaluation(network, tmp_path, unit=unit, interval=interval, n_pictures=2), SeenMetrics(seen))
    found = lines(tmp_path)
    assert [line["iteration"] for line in found] == expected
    assert set(visible(tmp_path / "feature_maps")) == {
        f"iteration_{k:06d}.{suffix}" for k in expected for suffix in ("png", "npz")
    }
    scores = {line["iteration"]: {f"features/{k}": v for k, v in line.items() if k != "iteration"} for line in found}
    assert seen == [scores.get(iteration, {}) for iteration in range(1, 7)]
    assert found[0]["patch_logistic_organ_score"] > 0.3


def test_training_is_not_disturbed(tmp_path):
    found = {}
    for watched in (True, False):
        network = tiny_student_teacher()
        # every step of the student draws from the global generator
        network.student.backbone.rope_embed.rescale_coords = 2.0
        handlers = [evaluation(network, tmp_path, n_pictures=1), CollapseMonitor(interval=1)] if watched else []
        found[watched] = run(network, *handlers)
    assert found[True].losses == found[False].losses
    for watched, alone in zip(*(found[key].network.parameters() for key in (True, False)), strict=True):
        assert torch.equal(watched, alone)
    before = random_states()
    evaluation(found[True].network, tmp_path / "again", n_pictures=1)(found[True].trainer)
    assert random_states() == before
    assert not found[True].network.teacher.training


def test_the_teacher_is_judged(tmp_path):
    """With a teacher that stays as it was, so do the scores."""
    network = tiny_student_teacher()
    run(network, evaluation(network, tmp_path, n_pictures=0), momentum=1.0)
    first, *others = lines(tmp_path)
    assert all({**line, "iteration": 0} == first for line in others)
    assert not (tmp_path / "feature_maps").exists()


def test_resumed_run_goes_on_with_lines_and_colours(tmp_path):
    network = tiny_student_teacher()
    run(network, evaluation(network, tmp_path, n_pictures=1))
    later = evaluation(network, tmp_path, n_pictures=1)
    run(network, _From(3), later)
    assert [line["iteration"] for line in lines(tmp_path)] == [0, 3, 6]
    with np.load(tmp_path / "feature_maps" / "iteration_000003.npz") as arrays:
        assert torch.equal(later._previous(6), torch.from_numpy(arrays["components"]))
    assert later._previous(0) is None


class _From:
    """A checkpoint that says where a run begins."""

    def __init__(self, iteration):
        self.iteration = iteration

    def attach(self, engine):
        engine.add_event_handler(Events.STARTED, self)

    def __call__(self, engine):
        engine.state.iteration, engine.state.epoch = self.iteration, self.iteration // 3


def test_without_labels_there_are_pictures_only(tmp_path):
    network = tiny_student_teacher()
    slices = LabelledSlices(test=labelled_slices(1, labels=False))
    pictures = FeaturePictures(n_pictures=1)
    run(network, FeatureEvaluation(network=network, slices=slices, output_dir=tmp_path, interval=2, pictures=pictures))
    assert not (tmp_path / "feature_scores.jsonl").exists()
    assert len(list((tmp_path / "feature_maps").glob("*.png"))) == 2


@pytest.mark.slow
def test_a_sharded_network_is_evaluated_too(tmp_path):
    mp.spawn(on_process, args=(str(tmp_path),), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert first == second
    assert (tmp_path / "feature_maps" / "iteration_000006.png").exists()
    assert "monitor/cls_effective_rank" in first["metrics"][2]
    assert first["losses"] == first["alone"]
    # before the first iteration the teacher is that of one process
    network = tiny_student_teacher()
    run(network, evaluation(network, tmp_path / "whole", n_pictures=0), epochs=1, epoch_length=1)
    assert lines(tmp_path)[0] == pytest.approx(lines(tmp_path / "whole")[0], rel=1e-4)


def test_bad_settings(tmp_path):
    with pytest.raises(ValueError, match="n_classes"):
        evaluation(None, tmp_path, label_names=())
    with pytest.raises(InputError, match=r"probes is \(\)"):
        evaluation(None, tmp_path, probes=())
    with pytest.raises(InputError, match="probes contains attention"):
        evaluation(None, tmp_path, probes=[GatedAttention()])
    with pytest.raises(ValueError, match="epoch or iteration"):
        evaluation(None, tmp_path, unit="hour")


def test_scores_are_logged(tmp_path, caplog):
    network = tiny_student_teacher()
    with caplog.at_level(logging.INFO):
        run(network, evaluation(network, tmp_path, n_pictures=0), epochs=1)
    assert "iteration 3: patch_knn_organ_score" in caplog.text
