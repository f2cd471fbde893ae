"""Training that MONAI Label starts."""

import pytest
import torch
from ignite.engine import Engine

from meddino_components.checkpoints import read_payload
from meddino_components.errors import InputError
from meddino_components.training import LastModel, from_annotators, on_device


def test_cases_of_a_data_set_have_ids(tmp_path):
    assert not from_annotators([{"image": "a", "label": "b", "case_id": "c"}], tmp_path / "none.pt")


def test_annotations_need_a_model_to_train_further(tmp_path):
    cases, model = [{"image": "a", "label": "b"}], tmp_path / "model.pt"
    with pytest.raises(InputError, match=r"model\.pt: no such file; MONAI Label trains a bundle's model further"):
        from_annotators(cases, model)
    model.touch()
    assert from_annotators(cases, model)


def test_the_last_model_is_kept(tmp_path):
    network = on_device(torch.nn.Linear(2, 1), "cpu")
    trainer = Engine(lambda engine, batch: network.weight.data.add_(1))
    LastModel(network=network, path=tmp_path / "model.pt").attach(trainer)
    trainer.run([0, 1], max_epochs=2)
    assert torch.equal(read_payload(tmp_path / "model.pt")["weight"], network.weight)
