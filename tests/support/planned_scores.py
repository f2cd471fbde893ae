"""A validation engine that finds given scores."""

import torch
from ignite.engine import Events
from ignite.metrics import Average
from monai.engines import SupervisedEvaluator
from torch import nn


class Scores:
    """A validation engine that finds the given scores, run by run."""

    def __init__(self, scores):
        self.network = nn.Linear(1, 1)
        left = iter(scores)
        self.engine = SupervisedEvaluator(
            device=torch.device("cpu"),
            val_data_loader=[{"image": torch.zeros(1, 1), "label": torch.zeros(1, 1)}],
            network=self.network,
            key_val_metric={"score": Average(output_transform=lambda output: next(left))},
            decollate=False,
        )

    def validate_after_each_epoch(self, trainer):
        trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: self.engine.run(engine.state.epoch))
