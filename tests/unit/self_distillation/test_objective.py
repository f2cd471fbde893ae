"""Weights and scales of the self-distillation loss; the terms themselves are tested against the official ones."""

import pytest
import torch
from tiny_student_teacher import tiny_batch, tiny_student_teacher
from torch.testing import assert_close

from meddino_components.errors import InputError
from meddino_components.losses import GramLoss
from meddino_components.self_distillation import SelfDistillationObjective


@pytest.fixture
def given():
    network, batch = tiny_student_teacher(gram_teacher="frozen"), tiny_batch()
    for parameter in network.student.parameters():  # away from the teachers
        parameter.data += 0.01 * torch.randn_like(parameter)
    return network(batch), batch


@pytest.mark.parametrize(("ignore", "n_global_pairs"), [(True, 2), (False, 4)])
def test_the_total_is_the_documented_sum(given, ignore, n_global_pairs):
    outputs, batch = given
    objective = SelfDistillationObjective(
        dino_weight=0.7, koleo_weight=0.3, ibot_weight=1.3, global_ignore_diagonal=ignore, gram_loss=GramLoss()
    )
    terms = objective(outputs, batch, teacher_temp=0.07, local_weight=0.5, gram_weight=2.0)
    n_local_pairs = 2 * 3
    dino = (0.5 * n_local_pairs * terms["dino_local_loss"] + n_global_pairs * terms["dino_global_loss"]) / (
        n_local_pairs + n_global_pairs
    )
    total = 0.7 * dino + 0.3 * 2 * terms["koleo_loss"] + 1.3 * terms["ibot_loss"] + 2.0 * terms["gram_loss"]
    assert_close(terms["loss"], total)
    assert set(terms) == {"loss", "dino_local_loss", "dino_global_loss", "koleo_loss", "ibot_loss", "gram_loss"}
    assert all(term > 0 for term in terms.values())


def test_gram_of_masked_and_unmasked_patches_is_logged_without_gradient(given):
    outputs, batch = given
    terms = SelfDistillationObjective(gram_loss=GramLoss(), log_gram_by_mask=True)(outputs, batch, teacher_temp=0.07)
    rows = outputs.student_patches[batch["masks"]], outputs.gram_patches[batch["masks"]]
    assert_close(terms["gram_loss_masked"], GramLoss(img_level=False)(*rows).detach())
    assert not terms["gram_loss_unmasked"].requires_grad


def test_a_gram_loss_without_gram_teacher_is_an_error():
    outputs = tiny_student_teacher()(tiny_batch())
    with pytest.raises(ValueError, match="no gram teacher"):
        SelfDistillationObjective(gram_loss=GramLoss())(outputs, tiny_batch(), teacher_temp=0.07)


def test_some_patches_of_each_image_make_no_matrix_of_an_image():
    with pytest.raises(ValueError, match="gram_tokens 'masked' needs a gram_loss with img_level false"):
        SelfDistillationObjective(gram_loss=GramLoss(), gram_tokens="masked")
    with pytest.raises(ValueError, match="must be all, masked or unmasked, got 'some'"):
        SelfDistillationObjective(gram_tokens="some")


class Mean:
    """A further loss with a known value."""

    def __init__(self, name, weight):
        self.name, self.weight = name, weight

    def __call__(self, outputs, batch):
        return outputs.student_cls.mean() + len(batch["masks"])


def test_further_losses_are_added_with_their_weights(given):
    outputs, batch = given
    plain = SelfDistillationObjective()(outputs, batch, teacher_temp=0.07)
    more = SelfDistillationObjective(more_losses=[Mean("first", 0.5), Mean("second", -1.0)])
    terms = more(outputs, batch, teacher_temp=0.07)
    value = outputs.student_cls.mean() + len(batch["masks"])
    assert_close(terms["first_loss"], value)
    assert_close(terms["loss"], plain["loss"] - 0.5 * value)
    assert set(terms) - set(plain) == {"first_loss", "second_loss"}


@pytest.mark.parametrize("names", [["koleo"], ["mine", "mine"]])
def test_each_loss_has_a_name_of_its_own(names):
    with pytest.raises(InputError, match="give each a unique name, other than dino_local, dino_global, ibot, koleo"):
        SelfDistillationObjective(more_losses=[Mean(name, 1.0) for name in names])
