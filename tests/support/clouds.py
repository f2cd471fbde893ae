"""Overlapping clouds of features, a class each."""

import torch


def blobs(n_train=90, n_test=40, width=12, n_classes=4, seed=0, dtype=torch.float64):
    """Overlapping clouds: training features and labels, test features."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(n_classes, width, generator=generator, dtype=dtype)
    train_labels = torch.arange(n_train) % n_classes
    train = centres[train_labels] + torch.randn(n_train, width, generator=generator, dtype=dtype)
    test = centres[torch.arange(n_test) % n_classes] + torch.randn(n_test, width, generator=generator, dtype=dtype)
    return train, train_labels, test
