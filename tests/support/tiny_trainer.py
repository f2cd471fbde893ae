"""A trainer whose steps take a millisecond: a regression with random layers on numbered samples."""

import torch
from monai.engines import SupervisedTrainer
from torch import nn
from torch.utils.data import DataLoader, Dataset

from meddino_components.data import GlobalBatchSampler


class Numbered(Dataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        return {"image": torch.randn(3, generator=generator), "label": torch.randn(1, generator=generator)}


class TinyRun:
    """Everything a run holds; ``seed`` is that of the weights."""

    def __init__(self, *, epochs=4, epoch_length=3, batch_size=2, seed=0, loss=None):
        torch.manual_seed(seed)
        self.network = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=0.05)
        self.sampler = GlobalBatchSampler(batch_size=batch_size)
        self.losses = []
        self.trainer = SupervisedTrainer(
            device=torch.device("cpu"),
            max_epochs=epochs,
            train_data_loader=DataLoader(Numbered(), batch_sampler=self.sampler, generator=torch.Generator()),
            network=self.network,
            optimizer=self.optimizer,
            loss_function=loss or nn.MSELoss(),
            epoch_length=epoch_length,
            decollate=False,
        )

    def run(self, *handlers):
        for handler in handlers:
            handler.attach(self.trainer)
        self.trainer.run()
        return self

    @property
    def weights(self):
        return torch.cat([p.detach().flatten() for p in self.network.parameters()])
