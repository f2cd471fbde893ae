"""The losses of self-distillation against the official ones: values, and gradients to what the student gives."""

import re

import pytest
import torch
from recorded_losses import koleo_of, on_process
from several_processes import on_processes
from torch.testing import assert_close

from meddino_components.losses import CenteredSoftmax, DINOLoss, GramLoss, IBOTPatchLoss, sinkhorn_knopp

PROBABILITIES = {"rtol": 1e-6, "atol": 1e-6}
VALUE = {"rtol": 1e-5, "atol": 1e-5}
GRADIENT = {"rtol": 1e-3, "atol": 1e-6}


@pytest.fixture
def recorded(golden_tensors):
    return golden_tensors("losses/losses.safetensors")


@pytest.fixture
def settings(golden_json):
    return golden_json("losses/params.json")


def cases(recorded, pattern):
    """Matches of the pattern among the names of recorded losses."""
    found = [match for match in (re.fullmatch(pattern + r"\.loss", name) for name in recorded) if match]
    assert found
    return found


def check(loss, student, recorded, name):
    loss.backward()
    assert_close(loss, recorded[f"{name}.loss"], **VALUE)
    assert_close(student.grad, recorded[f"{name}.grad"], **GRADIENT)


def test_sinkhorn_knopp(recorded, settings):
    logits, temp = recorded["dino.teacher_logits"], settings["teacher_temp"]
    assert_close(sinkhorn_knopp(logits, temp), recorded["dino.sinkhorn"], **PROBABILITIES)
    assert_close(sinkhorn_knopp(logits, temp, n_iterations=1), recorded["dino.sinkhorn_iter1"], **PROBABILITIES)
    sharp = recorded["dino.sinkhorn_t0.04_iter5"]
    assert_close(sinkhorn_knopp(logits, 0.04, n_iterations=5), sharp, **PROBABILITIES)
    masked = recorded["ibot.teacher_logits"][recorded["ibot.masks"]]
    assert_close(sinkhorn_knopp(masked, temp), recorded["ibot.sinkhorn_masked"], **PROBABILITIES)


def test_centered_softmax_of_images(recorded, settings):
    logits, temp = recorded["dino.teacher_logits"], settings["teacher_temp"]
    centered = CenteredSoftmax(n_prototypes=logits.shape[-1], center_momentum=settings["center_momentum"])
    assert_close(centered.center, recorded["dino.center.0"], **PROBABILITIES)
    assert_close(centered(logits, temp), recorded["dino.softmax_center.0"], **PROBABILITIES)
    # where the official loss has put an update off, ours has not been told of it yet
    assert_close(centered(logits, temp), recorded["dino.softmax_center.noupd"], **PROBABILITIES)
    for step, batch in ((1, logits), (2, logits + 0.3)):
        centered.update_center(batch)
        assert_close(centered.center, recorded[f"dino.center.{step}"], **PROBABILITIES)
        assert_close(centered(logits, temp), recorded[f"dino.softmax_center.{step}"], **PROBABILITIES)


def test_centered_softmax_of_patches(recorded, settings):
    logits, temp = recorded["ibot.teacher_logits"], settings["teacher_temp"]
    centered = CenteredSoftmax(n_prototypes=logits.shape[-1], center_momentum=settings["center_momentum"])
    assert_close(centered(logits, temp), recorded["ibot.softmax_center.0"], **PROBABILITIES)
    centered.update_center(logits)
    assert_close(centered.center[None], recorded["ibot.center.1"], **PROBABILITIES)
    assert_close(centered(logits, temp), recorded["ibot.softmax_center.1"], **PROBABILITIES)


def test_dino(recorded, settings):
    for match in cases(recorded, r"dino\.s(\d+)\.ignore_(False|True)"):
        student = recorded[f"dino.s{match[1]}.student_logits"].clone().requires_grad_()
        loss = DINOLoss(student_temp=settings["student_temp"])(
            student, recorded["dino.teacher_probs"], ignore_diagonal=match[2] == "True"
        )
        check(loss, student, recorded, match[0].removesuffix(".loss"))


@pytest.mark.parametrize("name", ["ibot.forward", "ibot.forward_masked", "ibot.forward_masked_w"])
def test_ibot(recorded, settings, name):
    masks = recorded["ibot.masks"]
    weight = recorded["ibot.custom_weight"] if name.endswith("_w") else (masks / masks.sum(1, keepdim=True))[masks]
    teacher = recorded["ibot.sinkhorn_masked"]
    student = recorded["ibot.student_logits"]
    if name == "ibot.forward":
        # the official loss of whole images is that of their masked patches
        teacher = recorded["ibot.teacher_probs_full_softmax"][masks]
        student = student.clone().requires_grad_()
        rows = student[masks]
    else:
        student = rows = student[masks].requires_grad_()
    loss = IBOTPatchLoss(student_temp=settings["student_temp"])(rows, teacher, weight, n_images=len(masks))
    check(loss, student, recorded, name)


def test_koleo(recorded):
    for match in cases(recorded, r"koleo(?:_topk(\d+))?"):
        loss, grad = koleo_of(recorded["koleo.x"], topk=int(match[1] or 1))
        assert_close(loss, recorded[match[0]], **VALUE)
        assert_close(grad, recorded[match[0].replace("loss", "grad")], **GRADIENT)


def test_gram(recorded):
    options = ("apply_norm", "img_level", "remove_neg", "remove_only_teacher_neg")
    for match in cases(recorded, r"gram\.norm(\d)_img(\d)_rneg(\d)_rteach(\d)"):
        student = recorded["gram.student"].clone().requires_grad_()
        loss = GramLoss(**{name: value == "1" for name, value in zip(options, match.groups(), strict=True)})
        check(loss(student, recorded["gram.teacher"]), student, recorded, match[0].removesuffix(".loss"))


def test_gram_of_chosen_tokens(recorded):
    student = recorded["gram.student"][recorded["gram.sel"]].requires_grad_()
    loss = GramLoss(img_level=False)(student, recorded["gram.teacher"][recorded["gram.sel"]])
    check(loss, student, recorded, "gram.flat_selected")


def test_two_processes(golden_tensors, settings, tmp_path):
    recorded = golden_tensors("losses/two_process.safetensors")
    torch.save(recorded, tmp_path / "recorded.pt")
    on_processes(on_process, tmp_path, settings)
    compared = 0
    for rank in range(2):
        for found_name, found in torch.load(tmp_path / f"{rank}.pt", weights_only=True).items():
            kind = GRADIENT if found_name.endswith("grad") else VALUE if found_name.endswith("loss") else PROBABILITIES
            assert_close(found, recorded[f"rank{rank}.{found_name}"], **kind, msg=lambda m, n=found_name: f"{n}: {m}")
            compared += 1
    assert compared == sum(name.startswith("rank") for name in recorded)
