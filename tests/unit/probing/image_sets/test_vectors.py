"""One vector for each sample."""

import numpy as np
import pytest
import torch

from meddino_components.embeddings import EmbeddingStore
from meddino_components.errors import InputError
from meddino_components.probing import Vectors


def embedded(folder, bags):
    """Embeddings in which the class token of item k of sample n is [n, k], the mean patch minus that."""
    store = EmbeddingStore(
        folder, identity={"a": 1}, sample_ids=[f"s{k}" for k in range(len(bags))], kinds=("cls", "mean_patch")
    )
    for part in store.missing_parts():
        found = []
        for number in store.part(part):
            items = np.array([[number, k] for k in range(bags[number])], np.float16)
            found.append({"cls": items, "mean_patch": -items} if bags[number] else "torn")
        store.write_part(part, found)
    return store.read()


def test_bags_are_pooled_and_unreadable_samples_are_zero(tmp_path):
    found = embedded(tmp_path, [3, 0, 1])
    assert Vectors().of(found).tolist() == [[0, 1], [0, 0], [2, 0]]
    assert Vectors(pooling="max").of(found).tolist() == [[0, 2], [0, 0], [2, 0]]
    assert Vectors(kind="mean_patch", pooling="max").of(found)[0].tolist() == [0, 0]
    assert Vectors().of(found).dtype == torch.float32


def test_pictures_keep_their_vectors(tmp_path):
    found = embedded(tmp_path, [1, 1, 0, 1])
    assert Vectors(pooling="max").of(found).tolist() == [[0, 0], [1, 0], [0, 0], [3, 0]]


def test_settings_that_are_refused():
    with pytest.raises(InputError, match="kind of Vectors is 'patches'; expected one of cls, mean_patch"):
        Vectors(kind="patches")
    with pytest.raises(InputError, match="pooling of Vectors is 'sum'; expected one of mean, max"):
        Vectors(pooling="sum")
