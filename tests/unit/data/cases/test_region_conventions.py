"""Regions come from the data set or from a stated convention, and contradictions are refused."""

import pytest
from set_folders import brats_set, kits23_set, lits_set

from meddino_components.data import brats_regions, data_set_regions
from meddino_components.data.cases.kits23 import KITS23_REGIONS
from meddino_components.data.cases.region_conventions import regions_of_convention
from meddino_components.errors import InputError


def test_conventions_by_name():
    assert regions_of_convention("kits23") == KITS23_REGIONS
    assert regions_of_convention("brats2023") == brats_regions("brats2023")
    with pytest.raises(InputError, match="label_convention is 'kits19'; expected 'brats' and the year"):
        regions_of_convention("kits19")


def test_a_data_set_without_regions_of_its_own_needs_a_convention(tmp_path):
    root = brats_set(tmp_path, ["BraTS-GLI-00001-000"])
    assert data_set_regions(dataset_dir=root, convention="brats2023") == brats_regions("brats2023")
    assert data_set_regions(convention="brats2021") == brats_regions("brats2021")
    with pytest.raises(InputError, match=r"the layout 'lits' defines no regions\. Set label_convention"):
        data_set_regions(dataset_dir=lits_set(tmp_path / "lits"), layout="lits")


def test_a_data_set_with_regions_of_its_own(tmp_path):
    root = kits23_set(tmp_path)
    assert data_set_regions(dataset_dir=root) == data_set_regions(dataset_dir=root, convention="kits23")
    assert data_set_regions(layout="kits23") == KITS23_REGIONS
    with pytest.raises(InputError, match=r"masses \(2, 3\), tumour \(2\), but label_convention is 'brats2021': whole"):
        data_set_regions(dataset_dir=root, convention="brats2021")
