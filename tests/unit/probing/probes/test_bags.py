"""Bags are read sample by sample, those that count alone."""

import numpy as np
import torch

from meddino_components.embeddings import EmbeddingStore
from meddino_components.probing.probes.bags import LabelledBags


def test_items_of_the_samples_that_count(tmp_path):
    store = EmbeddingStore(tmp_path, identity={"a": 1}, sample_ids=["a", "b", "c"], kinds=("cls",))
    values = [np.full((n, 4), k, np.float16) + np.arange(n, dtype=np.float16)[:, None] for k, n in enumerate((2, 1, 3))]
    for part in store.missing_parts():
        store.write_part(part, [{"cls": values[k]} for k in store.part(part)])
    kept = np.array([0, 2])
    bags = LabelledBags(embeddings=store.read(), kind="cls", samples=kept, targets=torch.tensor([1, 0]))
    assert (len(bags), bags.width()) == (2, 4)
    assert bags.bag(1)[:, 0].tolist() == [2, 3, 4]
    assert bags.bag(1, np.array([0, 2]))[:, 0].tolist() == [2, 4]
    assert bags.bag(0).dtype == torch.float32
