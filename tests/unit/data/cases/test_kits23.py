"""KiTS23: folders of cases, three labels and the three regions that the challenge scores."""

import numpy as np
import pytest
from bundle_data import WRITERS
from set_folders import kits23_set, touch

from meddino_components.data import class_names, data_set_regions, read_datalist
from meddino_components.data.cases.kits23 import KITS23, KITS23_LABELS, KITS23_REGIONS
from meddino_components.data.volumes.regions import LoadRegionLabelsd
from meddino_components.errors import InputError


def test_cases_of_the_folder_and_of_its_parent(tmp_path):
    root = kits23_set(tmp_path / "kits23" / "dataset", numbers=[0, 588])
    cases = read_datalist(root, section="all_labelled")
    assert cases == [
        {
            "image": str(root / f"{case_id}/imaging.nii.gz"),
            "label": str(root / f"{case_id}/segmentation.nii.gz"),
            "case_id": case_id,
            "modality": "ct",
        }
        for case_id in ("case_00000", "case_00588")
    ]
    assert read_datalist(tmp_path / "kits23", section="all_labelled") == cases


def test_cases_without_labels_are_for_testing(tmp_path):
    kits23_set(kits23_set(tmp_path, [0, 1]), [7], label=False)
    assert [case["case_id"] for case in KITS23.read(tmp_path, "test", None)] == ["case_00007"]
    assert "label" not in KITS23.read(tmp_path, "test", None)[0]
    with pytest.warns(UserWarning, match=r"1 cases have no segmentation\.nii\.gz and are left out: case_00007"):
        assert len(KITS23.read(tmp_path, "training", None)) == 2


def test_regions_are_those_that_the_challenge_scores(tmp_path):
    assert data_set_regions(dataset_dir=kits23_set(tmp_path)) == KITS23_REGIONS
    labels = np.array([0, 1, 2, 3])
    assert list(KITS23_REGIONS.innermost(labels)) == [0, 1, 3, 2]
    assert class_names(dataset_dir=tmp_path) == list(KITS23_LABELS.values())


def test_what_is_wrong_is_named(tmp_path):
    with pytest.raises(InputError, match=r"has no folder case_00000 with imaging\.nii\.gz and segmentation\.nii\.gz"):
        read_datalist(tmp_path, "kits23")
    kits23_set(tmp_path)
    with pytest.raises(InputError, match="layout 'kits23' has no validation list of its own"):
        read_datalist(tmp_path, section="official_validation")
    with pytest.raises(InputError, match="no case left in section 'training' with modality 'mr'"):
        read_datalist(tmp_path, modality="mr")
    touch(tmp_path / "case_00009" / "segmentation.nii.gz")
    with pytest.raises(InputError, match=r"case_00009/imaging\.nii\.gz: no such file; 1 of 4 cases have no image"):
        read_datalist(tmp_path)


def test_a_label_of_another_data_set(tmp_path):
    root = WRITERS["kits23"](tmp_path, {**KITS23_LABELS, 4: "more"}, "ct", 1)
    load = LoadRegionLabelsd("label", regions=KITS23_REGIONS)
    with pytest.raises(InputError, match=r"contains label 4; 'kits23' expects 1 \(kidney\), 2 \(tumour\), 3 \(cyst\)"):
        load(KITS23.read(root, "training", None)[0])
