"""Dice of organs among the metrics of a validation."""

import math

import pytest
import torch
from ignite.engine import Engine

from meddino_components.evaluation import OrganDice


def test_each_organ_is_averaged_over_the_cases_that_have_it():
    engine = Engine(lambda engine, batch: None)
    OrganDice(metric="val_mean_dice", names=["liver", "spleen", "gland"]).attach(engine)
    nan = math.nan
    engine.state.metric_details = {"val_mean_dice": torch.tensor([[0.5, nan, nan], [0.9, 0.25, nan]])}
    engine.run([0], max_epochs=1)
    assert engine.state.metrics == {"dice/liver": pytest.approx(0.7), "dice/spleen": 0.25}
