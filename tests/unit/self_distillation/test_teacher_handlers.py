"""When the teachers follow the student."""

import copy

import pytest
import torch
from tiny_pretraining import run
from tiny_student_teacher import tiny_student_teacher
from torch.testing import assert_close

from meddino_components.self_distillation import GramTeacherRefresh, constant_schedule


def test_the_teacher_follows_the_student_after_its_step():
    network = tiny_student_teacher()
    start = copy.deepcopy(network)
    run(network, iterations=1, changed={"lr": constant_schedule(value=1e-3)})
    assert not torch.equal(network.student.backbone.cls_token, start.student.backbone.cls_token)
    for name, parameter in network.teacher.named_parameters():
        old, new = start.teacher.get_parameter(name), network.student.get_parameter(name)
        assert_close(parameter, 0.9 * old + 0.1 * new)


@pytest.mark.parametrize(
    ("settings", "due"),
    [
        ({"first": 2}, [2]),
        ({"first": 2, "interval": 3}, [2, 5, 8]),
        ({"first": 2, "interval": 3, "times": 2}, [2, 5]),
    ],
)
def test_when_the_gram_teacher_is_taken(settings, due):
    refresh = GramTeacherRefresh(network=tiny_student_teacher(gram_teacher="frozen"), **settings)
    assert [iteration for iteration in range(1, 10) if refresh.is_due(iteration)] == due


def test_the_gram_teacher_is_the_teacher_after_that_iteration():
    network = tiny_student_teacher(gram_teacher="frozen")
    refresh = GramTeacherRefresh(network=network, first=3)
    run(network, iterations=3, handlers=[refresh], changed={"lr": constant_schedule(value=1e-3)})
    assert torch.equal(network.gram_teacher["backbone"].cls_token, network.teacher.backbone.cls_token)


@pytest.mark.parametrize(("first", "interval"), [(0, None), (1, 0), (-1, 5)])
def test_iterations_are_counted_from_1(first, interval):
    with pytest.raises(ValueError, match=f"first and interval must be at least 1, got {first} and {interval}"):
        GramTeacherRefresh(network=tiny_student_teacher(gram_teacher="frozen"), first=first, interval=interval)


def test_between_its_iterations_the_gram_teacher_stays_behind(caplog):
    network = tiny_student_teacher(gram_teacher="frozen")
    refresh = GramTeacherRefresh(network=network, first=1, interval=5)
    with caplog.at_level("INFO"):
        run(network, iterations=2, handlers=[refresh], changed={"lr": constant_schedule(value=1e-3)})
    assert "gram teacher copied from the EMA teacher after iteration 1" in caplog.text
    assert not torch.equal(network.gram_teacher["backbone"].cls_token, network.teacher.backbone.cls_token)
