"""The teacher's backbone on the disk, during a run and at its end."""

import pytest
import torch
from ignite.engine import Events
from safetensors import safe_open
from tiny_pretraining import run
from tiny_student_teacher import tiny_student_teacher

from meddino_components.checkpoints import build_network, load_backbone_weights, read_record
from meddino_components.errors import InputError
from meddino_components.self_distillation import TeacherExport, constant_schedule, stage_manifest


def test_teachers_are_exported_and_load_by_path(tmp_path):
    network = tiny_student_teacher()
    export = TeacherExport(
        network=network,
        path=tmp_path / "teacher.safetensors",
        folder=tmp_path / "teachers",
        interval=2,
        manifest=stage_manifest(network, 1),
    )
    run(network, iterations=3, handlers=[export])
    assert [path.name for path in sorted((tmp_path / "teachers").glob("*.safetensors"))] == [
        "teacher_0000002.safetensors"
    ]
    loaded = tiny_student_teacher(seed=9).student.backbone
    load_backbone_weights(loaded, tmp_path / "teacher.safetensors")
    for name, tensor in network.teacher.backbone.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    with safe_open(tmp_path / "teacher.safetensors", "pt") as file:
        facts = file.metadata()
    assert (facts["stage"], facts["iteration"], facts["embed_dim"]) == ("1", "3", "48")
    record = read_record(tmp_path / "teacher.safetensors")
    assert (record.stage["stage"], record.stage["iteration"]) == (1, 3)
    again = build_network(record.architecture, source="teacher.safetensors")
    assert load_backbone_weights(again, tmp_path / "teacher.safetensors").n_tensors > 0


def export_of(network, folder, **settings):
    given = {"path": folder / "teacher.safetensors", "folder": folder / "teachers", "interval": 1, **settings}
    return TeacherExport(network=network, manifest=stage_manifest(network, 1), **given)


def test_what_is_kept_is_the_teacher_of_that_iteration_and_not_the_student(tmp_path):
    network, seen = tiny_student_teacher(), {}

    class Tokens:
        def attach(self, engine):
            engine.add_event_handler(Events.ITERATION_COMPLETED, self)

        def __call__(self, engine):
            seen[engine.state.iteration] = network.teacher.backbone.cls_token.detach().clone()

    rates = {"lr": constant_schedule(value=1e-2)}
    run(network, iterations=2, handlers=[Tokens(), export_of(network, tmp_path)], changed=rates)
    kept = {}
    for iteration in (1, 2):
        with safe_open(tmp_path / "teachers" / f"teacher_{iteration:07d}.safetensors", "pt") as file:
            kept[iteration] = file.get_tensor("cls_token")
    assert all(torch.equal(kept[iteration], seen[iteration]) for iteration in (1, 2))
    assert not torch.equal(kept[1], kept[2])
    assert not torch.equal(kept[2], network.student.backbone.cls_token)


def test_a_place_that_cannot_be_written_is_said_before_the_first_step(tmp_path):
    (tmp_path / "file").write_text("")
    network = tiny_student_teacher()
    start = network.student.backbone.cls_token.clone()
    with pytest.raises(InputError, match=r"teacher\.safetensors"):
        run(network, handlers=[export_of(network, tmp_path, path=tmp_path / "file" / "teacher.safetensors")])
    assert torch.equal(network.student.backbone.cls_token, start)


def test_an_interval_of_no_iterations_is_refused(tmp_path):
    with pytest.raises(ValueError, match="interval must be at least 1, got 0"):
        export_of(tiny_student_teacher(), tmp_path, interval=0)
