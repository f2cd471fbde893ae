"""Student and teachers: who learns, who follows, who stays."""

import pytest
import torch
from tiny_student_teacher import PROTOTYPES, tiny_batch, tiny_student_teacher
from torch.testing import assert_close


def test_shapes():
    batch = tiny_batch()
    outputs = tiny_student_teacher(gram_teacher="frozen")(batch)
    n_masked = len(batch["mask_indices"])
    assert n_masked > 0
    assert outputs.student_global_logits.shape == (2, 3, PROTOTYPES)
    assert outputs.student_local_logits.shape == (3, 3, PROTOTYPES)
    assert outputs.student_patch_logits.shape == outputs.teacher_patch_logits.shape == (n_masked, PROTOTYPES)
    assert outputs.student_cls.shape == outputs.teacher_cls.shape == (2, 3, 48)
    assert outputs.student_patches.shape == outputs.gram_patches.shape == (6, 16, 48)
    assert outputs.teacher_cls_logits.shape == (2, 3, PROTOTYPES)


def test_only_the_student_gets_gradients_and_the_teachers_stay_in_evaluation_mode():
    network = tiny_student_teacher(gram_teacher="frozen").train()
    outputs = network(tiny_batch())
    (outputs.student_global_logits.sum() + outputs.student_patch_logits.sum()).backward()
    assert {name.partition(".")[0] for name, p in network.named_parameters() if p.grad is not None} == {"student"}
    assert network.student.training
    assert not network.teacher.training
    assert not network.gram_teacher.training
    assert not outputs.teacher_cls_logits.requires_grad
    assert not outputs.gram_patches.requires_grad


def test_the_teacher_sees_no_mask():
    network = tiny_student_teacher()
    torch.nn.init.normal_(network.teacher.backbone.mask_token)
    batch = tiny_batch()
    unmasked = network.teacher.backbone.forward_features(batch["global_crops"].expand(-1, 3, -1, -1))
    assert_close(network(batch).teacher_cls.flatten(0, 1), unmasked["x_norm_clstoken"])


def test_grey_crops_are_those_of_three_equal_channels():
    network, batch = tiny_student_teacher(), tiny_batch()
    coloured = {**batch, **{name: batch[name].repeat(1, 3, 1, 1) for name in ("global_crops", "local_crops")}}
    assert_close(network(batch).student_local_logits, network(coloured).student_local_logits)


def test_the_teacher_takes_its_share_of_the_student():
    network = tiny_student_teacher()
    before = {name: p.clone() for name, p in network.teacher.named_parameters()}
    for parameter in network.student.parameters():
        parameter.data += 1
    network.update_teacher(0.75)
    for name, parameter in network.teacher.named_parameters():
        assert_close(parameter, before[name] + 0.25)


def test_the_gram_teacher_stays_until_it_is_refreshed():
    network = tiny_student_teacher(gram_teacher="frozen")
    start = network.gram_teacher["backbone"].cls_token.clone()
    for parameter in network.student.parameters():
        parameter.data += 1
    network.update_teacher(0.5)
    assert torch.equal(network.gram_teacher["backbone"].cls_token, start)
    network.refresh_gram_teacher()
    assert_close(network.gram_teacher["backbone"].cls_token, start + 0.5)


def test_larger_gram_crops_are_brought_to_the_grid_of_the_student():
    network = tiny_student_teacher(gram_teacher="frozen", gram_resize="bilinear")
    batch = tiny_batch(gram_px=128)
    features = network.gram_teacher["backbone"].forward_features(batch["gram_teacher_crops"].expand(-1, 3, -1, -1))
    # bilinear to half the size without antialiasing is the mean of 2 x 2
    expected = features["x_norm_patchtokens"].unflatten(1, (4, 2, 4, 2)).mean((2, 4)).flatten(1, 2)
    assert_close(network(batch).gram_patches, expected, rtol=1e-4, atol=1e-5)


def test_an_unknown_gram_teacher_is_refused():
    with pytest.raises(ValueError, match="gram_teacher must be none, frozen or ema, got 'froze'"):
        tiny_student_teacher(gram_teacher="froze")
