"""Training that MONAI Label starts."""

import pytest
import torch
from ignite.engine import Engine
from volume_files import ct_voxels, write_dicom_series

from meddino_components.checkpoints import read_payload
from meddino_components.errors import InputError
from meddino_components.placement import on_device
from meddino_components.training import LastModel, from_annotators


def test_cases_of_a_data_set_have_ids(tmp_path):
    assert not from_annotators([{"image": "a", "label": "b", "case_id": "c"}], tmp_path / "none.pt")


def test_annotations_need_a_model_to_train_further(tmp_path):
    cases, model = [{"image": "a", "label": "b"}], tmp_path / "model.pt"
    with pytest.raises(
        InputError, match=r"model\.pt: no such file, but MONAI Label continues the training of the bundle's"
    ):
        from_annotators(cases, model)
    model.touch()
    assert from_annotators(cases, model)


@pytest.mark.parametrize("held_out", [False, True])
def test_labels_of_a_dicom_seg_are_refused(tmp_path, held_out):
    """As they lie in MONAI Label's cache of a DICOMweb server."""
    (tmp_path / "model.pt").touch()
    write_dicom_series(tmp_path / "1.2", ct_voxels())
    drawn, made = ({"image": str(tmp_path / "1.2.nii.gz"), "label": f"final/1.2.{end}"} for end in ("nii.gz", "nrrd"))
    sets = ([drawn], [made]) if held_out else ([made], [])
    with pytest.raises(InputError, match=r"1\.2\.nrrd: converted from a DICOM SEG.* Submit the labels of 1\.2 to"):
        from_annotators(sets[0], tmp_path / "model.pt", validation_cases=sets[1])
    # an NRRD in a folder of studies is what somebody drew
    elsewhere = {"image": str(tmp_path / "a.nii.gz"), "label": "final/a.nrrd"}
    assert from_annotators([drawn], tmp_path / "model.pt", validation_cases=[elsewhere])


def test_the_last_model_is_kept(tmp_path):
    network = on_device(torch.nn.Linear(2, 1), "cpu")
    trainer = Engine(lambda engine, batch: network.weight.data.add_(1))
    LastModel(network=network, path=tmp_path / "model.pt").attach(trainer)
    trainer.run([0, 1], max_epochs=2)
    assert torch.equal(read_payload(tmp_path / "model.pt")["weight"], network.weight)
