"""What a stage leaves to the next, and what the next refuses."""

import pytest
import torch
from tiny_student_teacher import tiny_student_teacher

from meddino_components.checkpoints import write_weights
from meddino_components.errors import InputError
from meddino_components.training import stage_manifest, start_from_stage


def save(path, network, stage):
    torch.save({"manifest": stage_manifest(network, stage), "network": network.state_dict()}, path)
    return path


def test_student_teacher_and_heads_come_from_the_stage_before(tmp_path):
    before, after = tiny_student_teacher(seed=1), tiny_student_teacher(seed=2)
    before.teacher.dino_head.last_layer.weight.data.add_(1)
    start_from_stage(after, save(tmp_path / "c.pt", before, 1), 1)
    for name, tensor in before.state_dict().items():
        assert torch.equal(after.state_dict()[name], tensor), name


@pytest.mark.parametrize("named", [True, False])
def test_the_gram_teacher_comes_from_weights_or_from_the_teacher(tmp_path, named):
    before = tiny_student_teacher(seed=1)
    after = tiny_student_teacher(seed=2, gram_teacher="frozen")
    early = tiny_student_teacher(seed=3).teacher.backbone.state_dict()
    write_weights(early, tmp_path / "early.safetensors")
    weights = tmp_path / "early.safetensors" if named else "checkpoint"
    start_from_stage(after, save(tmp_path / "c.pt", before, 1), 1, gram_weights=weights)
    expected = early if named else before.teacher.backbone.state_dict()
    for name, tensor in expected.items():
        assert torch.equal(after.gram_teacher["backbone"].state_dict()[name], tensor), name


def test_no_gram_weights_says_which_stage_makes_them(tmp_path):
    path = save(tmp_path / "c.pt", tiny_student_teacher(), 1)
    with pytest.raises(
        InputError, match=r"stage 1 exports it .* output_dir/teachers/teacher_0020000\.safetensors by `--gram_weights`"
    ):
        start_from_stage(tiny_student_teacher(gram_teacher="frozen"), path, 1)


def test_a_checkpoint_of_another_stage_is_refused(tmp_path):
    path = save(tmp_path / "c.pt", tiny_student_teacher(), 1)
    with pytest.raises(
        InputError, match=r"c\.pt: is of stage 1, expected stage 2: run stage 2 with .*stage2_gram\.json"
    ):
        start_from_stage(tiny_student_teacher(), path, 2)


def test_another_width_is_refused(tmp_path):
    path = save(tmp_path / "c.pt", tiny_student_teacher(embed_dim=32), 1)
    with pytest.raises(
        InputError, match=r"c\.pt: its network differs from this stage's: embed_dim 32 \(this stage: 48\)"
    ):
        start_from_stage(tiny_student_teacher(), path, 1)


@pytest.mark.parametrize(("path", "said"), [(None, "none is given"), ("gone.pt", "gone.pt: no such file")])
def test_no_checkpoint_says_what_to_run(path, said):
    with pytest.raises(InputError, match=said) as error:
        start_from_stage(tiny_student_teacher(), path, 1)
    assert "configs/train.json" in str(error.value)
    assert "--previous_checkpoint" in str(error.value)


def test_a_checkpoint_of_fine_tuning_is_refused(tmp_path):
    torch.save({"network": {}}, tmp_path / "c.pt")
    with pytest.raises(InputError, match=r"c\.pt: is no checkpoint of pretraining"):
        start_from_stage(tiny_student_teacher(), tmp_path / "c.pt", 1)
