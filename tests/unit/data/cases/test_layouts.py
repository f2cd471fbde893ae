"""A layout is recognised where it is unmistakable, and one that the folder contradicts is refused."""

import pytest
from set_folders import (
    amos_set,
    brats_set,
    btcv_set,
    kits23_set,
    lits_set,
    msd_set,
    nnunet_set,
    openkbp_set,
    totalsegmentator_set,
    touch,
    write_json,
)

from meddino_components.data import find_layout, read_datalist
from meddino_components.errors import InputError

SETS = {
    "amos": amos_set,
    "msd": msd_set,
    "nnunet_raw": nnunet_set,
    "kits23": kits23_set,
    "lits": lits_set,
    "btcv": btcv_set,
    "totalsegmentator": totalsegmentator_set,
    "openkbp": openkbp_set,
    "brats": lambda root: brats_set(root, ["BraTS-GLI-00001-000", "BraTS-GLI-00002-000"]),
}


@pytest.mark.parametrize("layout", SETS)
def test_recognised(tmp_path, layout):
    root = SETS[layout](tmp_path)
    assert find_layout(root) == find_layout(root, layout) == layout
    assert read_datalist(root, section="all_labelled") == read_datalist(root, layout, "all_labelled")
    for other in set(SETS) - {layout}:
        with pytest.raises(InputError, match=f"dataset_layout is '{other}', but the folder has the layout '{layout}'"):
            read_datalist(root, other)


def test_sequences_beside_the_dataset_json_that_they_were_made_from(tmp_path):
    brats_set(msd_set(tmp_path), ["BRATS_001"])
    assert find_layout(tmp_path, "brats") == "brats"
    assert find_layout(tmp_path) == "msd"


def test_a_list_of_sequences_and_a_run_that_is_handed_its_cases(tmp_path):
    assert find_layout(tmp_path / "list.json") == "brats"
    assert find_layout("", None, "amos") == "amos"
    assert find_layout("", "msd", "amos") == "msd"
    with pytest.raises(InputError, match="dataset_dir is empty"):
        find_layout()


def test_what_is_not_recognised_names_the_key_and_its_values(tmp_path):
    touch(tmp_path / "images" / "a.nii.gz")
    with pytest.raises(InputError, match=r"dataset\.json: no such file"):
        read_datalist(tmp_path)
    write_json(tmp_path, {"name": "mine"})
    known = "amos, nnunet_raw, msd, kits23, lits, btcv, totalsegmentator, openkbp, brats"
    with pytest.raises(
        InputError,
        match=f"Set dataset_layout to one of {known}",
    ):
        read_datalist(tmp_path)
    with pytest.raises(
        InputError,
        match=f"dataset_layout is 'nnunet'; expected one of {known}",
    ):
        read_datalist(tmp_path, "nnunet")
