"""What a stage leaves to the next, and what the next refuses."""

import pytest
import torch
from tiny_student_teacher import tiny_student_teacher

from meddino_components.checkpoints import write_weights
from meddino_components.errors import InputError
from meddino_components.self_distillation import stage_manifest, start_from_stage


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
        InputError, match=r"stage 1 exports it .* output_dir/teachers/teacher_0020000\.safetensors as `--gram_weights`"
    ):
        start_from_stage(tiny_student_teacher(gram_teacher="frozen"), path, 1)


def test_a_checkpoint_of_another_stage_is_refused(tmp_path):
    path = save(tmp_path / "c.pt", tiny_student_teacher(), 1)
    with pytest.raises(
        InputError, match=r"c\.pt: comes from stage 1, expected stage 2: run stage 2 with .*stage2_gram\.json"
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
    with pytest.raises(InputError, match=r"c\.pt: is not a checkpoint of pretraining"):
        start_from_stage(tiny_student_teacher(), tmp_path / "c.pt", 1)


class Harmful:
    def __reduce__(self):
        return print, ("code ran",)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-2000])


def change(entry, value=None):
    def damage(path):
        payload = torch.load(path, weights_only=True)
        if value is None:
            del payload["network"][entry]
        else:
            payload["network"][entry] = value(payload["network"].get(entry))
        torch.save(payload, path)

    return damage


LAST = "student.dino_head.last_layer.weight"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut_short, "cannot be read as safetensors or as a PyTorch checkpoint"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: torch.save({"network": Harmful()}, path), "code"),
        (lambda path: path.with_name("c.pt.sha256").write_text("0" * 64), "c.pt.sha256 next to it says 0000"),
        (change(LAST), "missing from the file: dino_head.last_layer.weight"),
        (change("student.stranger", lambda _: torch.ones(1)), "unexpected: stranger"),
        (change(LAST, lambda weight: weight * torch.nan), "with NaN or infinite values: dino_head.last_layer.weight"),
        (change(LAST, lambda weight: weight[:3]), "of the wrong shape: dino_head.last_layer.weight"),
    ],
)
def test_a_damaged_checkpoint_is_named_and_changes_nothing(tmp_path, capsys, damage, said):
    path = save(tmp_path / "c.pt", tiny_student_teacher(seed=1), 1)
    damage(path)
    network = tiny_student_teacher(seed=2)
    with pytest.raises(InputError) as error:
        start_from_stage(network, path, 1)
    assert "c.pt" in str(error.value)
    assert said in str(error.value)
    assert "code ran" not in capsys.readouterr().out
    for name, tensor in tiny_student_teacher(seed=2).state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor), name
