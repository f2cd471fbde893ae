"""The files that a case is read from."""

import pytest
from set_folders import touch

from meddino_components.data.cases.case_files import case_files, check_files_exist
from meddino_components.errors import InputError


def test_sequences_in_their_order_each_file_once_then_the_label(tmp_path):
    image = {"t1": "b.nii.gz", "t1ce": "a.nii.gz", "t2": "b.nii.gz"}
    assert case_files({"image": image, "label": "l.nii.gz"}) == ["b.nii.gz", "a.nii.gz", "l.nii.gz"]
    # a file of another name is alone, whatever lies beside it
    touch(tmp_path / "a_t1.nii.gz")
    assert case_files({"image": str(touch(tmp_path / "scan.nii.gz"))}) == [str(tmp_path / "scan.nii.gz")]


def test_a_sequence_brings_those_beside_it(tmp_path):
    paths = [str(touch(tmp_path / f"a_{name}.nii.gz")) for name in ("flair", "t1", "t1ce", "t2")]
    for other in ("b_t1.nii.gz", "a_seg.nii.gz", "._a_t2.nii.gz"):
        touch(tmp_path / other)
    assert sorted(case_files({"image": paths[2]})) == paths
    assert case_files({"image": paths[2]})[0] == paths[2]


def test_a_header_brings_the_file_of_its_voxels(tmp_path):
    voxels = touch(tmp_path / "data" / "v.raw")
    header = tmp_path / "a.mhd"
    header.write_text("ObjectType = Image\nElementDataFile = data/v.raw\n")
    assert case_files({"image": "s.nii.gz", "label": str(header)}) == ["s.nii.gz", str(header), str(voxels)]
    header.write_text("ObjectType = Image\nElementDataFile = data/lost.raw\n")
    assert case_files({"image": str(header)}) == [str(header)]


def test_files_that_are_not_there_are_counted_and_the_first_five_named(tmp_path):
    there = str(touch(tmp_path / "a.nii.gz"))
    check_files_exist([{"image": there, "label": there}], tmp_path)
    cases = [{"image": there, "label": f"{n}.nii.gz"} for n in range(7)]
    with pytest.raises(
        InputError, match=r"list: 7 listed files cannot be found: 0\.nii\.gz, .*, 4\.nii\.gz and 2 more\. Complete"
    ):
        check_files_exist(cases, tmp_path / "list")
