"""Each scan is paired with what was drawn on it; what cannot be paired is refused by name."""

import shutil

import numpy as np
import pytest
from drawn_labels import write_segmentation, write_structure_set
from volume_files import ct_voxels, write_dicom_series

from meddino_components.data import label_names, plan, read_datalist
from meddino_components.data.volumes.dicom import read_series
from meddino_components.errors import InputError

pytest.importorskip("highdicom")

SHAPE = (24, 20, 5)
UID = "1.2.826.0.1.3680043.9.9999.{}"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Three scans of two patients: two with labels in folders of their own, one without."""
    root = tmp_path_factory.mktemp("export")
    mask = np.zeros(SHAPE, bool)
    mask[8:16, 6:14, 1:4] = True
    for number, (folder, patient) in enumerate((("anna/ct", "A"), ("anna/later", "A"), ("bert/ct", "B")), start=1):
        write_dicom_series(root / folder, ct_voxels(number), series_uid=UID.format(number), patient_id=patient)
    (root / "anna" / "drawn").mkdir()
    series = read_series(root / "anna" / "ct")
    write_segmentation(root / "anna" / "drawn" / "seg.dcm", {"Tumour": mask}, series)
    write_structure_set(
        root / "bert" / "ct" / "rs.dcm", {"GTV": mask, "BODY": mask | True}, series.affine, series_uid=UID.format(3)
    )
    return root


def test_scans_and_labels_are_paired_by_series(exported):
    cases = read_datalist(exported, section="all_labelled")
    assert [(case["case_id"], case["label"], case["modality"]) for case in cases] == [
        ("anna_ct", str(exported / "anna" / "drawn" / "seg.dcm"), "ct"),
        ("bert_ct", str(exported / "bert" / "ct" / "rs.dcm"), "ct"),
    ]
    (without,) = read_datalist(exported, section="test")
    assert (without["case_id"], without["series_uid"]) == ("anna_later", UID.format(2))
    assert without["patient"] == cases[0]["patient"] != cases[1]["patient"]
    assert "A" not in without["patient"]


def test_its_labels_have_to_be_named(exported):
    with pytest.raises(InputError, match="Set label_names"):
        label_names(exported)


def test_a_plan_looks_at_the_labels_alone(exported):
    names = ["background", "tumour"]
    planned = plan(exported, roi_size=32, label_names=names, drawn_names={"GTV": "tumour"})
    means = [read_series(exported / folder / "ct").voxels[8:16, 6:14, 1:4].mean() for folder in ("anna", "bert")]
    assert planned["fingerprint"]["mean"] == pytest.approx(np.mean(means), abs=1e-3)


def test_a_label_without_its_series_is_refused(exported, tmp_path):
    root = tmp_path / "part"
    shutil.copytree(exported, root)
    shutil.rmtree(root / "anna" / "ct")
    with pytest.raises(InputError, match=rf"seg\.dcm: was drawn on series {UID.format(1)}, which is not below"):
        read_datalist(root, "dicom")


def test_two_labels_of_one_series_are_refused(exported, tmp_path):
    root = tmp_path / "twice"
    shutil.copytree(exported, root)
    shutil.copy(root / "anna" / "drawn" / "seg.dcm", root / "anna" / "drawn" / "seg2.dcm")
    with pytest.raises(InputError, match="were both drawn on series"):
        read_datalist(root, "dicom")
