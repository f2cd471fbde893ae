"""The class balance of the loss over a run."""

import pytest
from ignite.engine import Engine

from meddino_components.losses import DiceCrossEntropyLoss
from meddino_components.training import ClassBalanceDecay


def test_falls_linearly_to_zero_at_four_fifths_of_the_run():
    loss = DiceCrossEntropyLoss(num_classes=2, class_balance=0.8)
    seen = []
    engine = Engine(lambda engine, batch: seen.append(loss.class_balance))
    ClassBalanceDecay(loss=loss).attach(engine)
    engine.run(range(5), max_epochs=2)
    assert seen == pytest.approx([0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0, 0])


def test_the_plain_loss_stays_plain():
    loss = DiceCrossEntropyLoss(num_classes=2)
    engine = Engine(lambda engine, batch: loss.class_balance)
    ClassBalanceDecay(loss=loss).attach(engine)
    engine.run(range(2))
    assert engine.state.output == 0
