"""Cases of several sequences: found by the names of files, in any order."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from brats_volumes import NAMES_2021, NAMES_2023, brain, write_brats, write_brats_case, write_dicom_case

from meddino_components.data import LoadSequencesd, list_sequence_cases, read_datalist
from meddino_components.data.cases.case_files import case_files
from meddino_components.data.cases.sequences import SEQUENCES, sequence_of
from meddino_components.errors import InputError


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("BraTS20_Training_001_t1.nii.gz", ("BraTS20_Training_001", "t1")),
        ("BraTS20_Training_001_t1ce.nii", ("BraTS20_Training_001", "t1ce")),
        ("BraTS2021_00000_flair.nii.gz", ("BraTS2021_00000", "flair")),
        ("BraTS2021_00000_seg.nii.gz", ("BraTS2021_00000", "seg")),
        ("BraTS-GLI-00000-000-t1n.nii.gz", ("BraTS-GLI-00000-000", "t1")),
        ("BraTS-GLI-00000-000-t1c.nii.gz", ("BraTS-GLI-00000-000", "t1ce")),
        ("BraTS-GLI-00000-000-t2w.nii.gz", ("BraTS-GLI-00000-000", "t2")),
        ("BraTS-GLI-00000-000-t2f.nii.gz", ("BraTS-GLI-00000-000", "flair")),
        ("Brats17_2013_10_1_T2.NII.GZ", ("Brats17_2013_10_1", "t2")),
        ("patient_t1c_bet.nii.gz", ("patient_bet", "t1ce")),
        # many words name a sequence: the last one says what the file is
        ("AX_T1_POST_t1c.nii.gz", ("AX_T1_POST", "t1ce")),
        ("t1.nii.gz", ("", "t1")),
        ("VSD.Brain.XX.O.MR_T1c.54514.mha", ("VSD.Brain.XX.O.MR.54514", "t1ce")),
        # nothing, or more than one word, to go by
        ("patient_0001.nii.gz", ("patient_0001", None)),
        ("t1_to_t2_registered.nii.gz", ("t1_to_t2_registered", None)),
        ("patient_mt1.nii.gz", ("patient_mt1", None)),
    ],
)
def test_what_a_name_says(name, found):
    assert sequence_of(name) == found


@pytest.mark.parametrize("names", [NAMES_2021, NAMES_2023], ids=["2021", "2023"])
@pytest.mark.parametrize("nested", [True, False], ids=["nested", "flat"])
def test_folders_of_every_year(tmp_path, names, nested):
    write_brats(tmp_path, n_cases=2, nested=nested, names=names)
    cases = list_sequence_cases(tmp_path)
    assert [case["case_id"] for case in cases] == ["BraTS2021_00000", "BraTS2021_00001"]
    for case in cases:
        assert list(case["image"]) == list(SEQUENCES)
        assert all(Path(path).name == f"{case['case_id']}{names[name]}.nii.gz" for name, path in case["image"].items())
        assert case["modality"] == "mr"
        assert "label" not in case
        assert "problem" not in case


def test_files_in_any_order_are_one_case(tmp_path):
    paths = write_brats_case(tmp_path, "a")
    files = [paths[name] for name in SEQUENCES]
    expected = list_sequence_cases(files)
    assert len(expected) == 1
    for order in (files[::-1], [files[2], files[0], files[3], files[1]]):
        assert list_sequence_cases(order) == expected


def test_cases_whose_files_have_one_name_are_told_apart_by_folder(tmp_path):
    for folder in ("p1", "p2"):
        for sequence, path in write_brats_case(tmp_path / folder, "x").items():
            path.rename(path.with_name(f"{sequence}.nii.gz"))
        write_brats_case(tmp_path / folder / "later", "scan")
    assert [case["case_id"] for case in list_sequence_cases(tmp_path)] == ["p1", "p1_later_scan", "p2", "p2_later_scan"]


def test_a_missing_sequence_names_case_and_files_and_the_way_out(tmp_path):
    write_brats(tmp_path, n_cases=2)
    lost = tmp_path / "BraTS2021_00001" / "BraTS2021_00001_t1ce.nii.gz"
    lost.rename(lost.with_name("BraTS2021_00001_contrast.nii.gz"))
    good, bad = list_sequence_cases(tmp_path)
    assert "problem" not in good
    assert "case BraTS2021_00001 in" in bad["problem"]
    assert "t1ce missing; found BraTS2021_00001_flair.nii.gz" in bad["problem"]
    assert "(and BraTS2021_00001_contrast.nii.gz, whose names identify no sequence)" in bad["problem"]
    assert "Add or rename the file" in bad["problem"]
    with pytest.raises(InputError, match="t1ce missing"):
        LoadSequencesd("image", sequences=SEQUENCES)(bad)
    with pytest.raises(InputError, match="t1ce missing"):
        read_datalist(tmp_path, "brats")


def test_a_sequence_there_twice_is_an_error(tmp_path):
    paths = write_brats_case(tmp_path, "a")
    nib.save(nib.load(paths["t1ce"]), tmp_path / "a_t1c.nii.gz")
    (case,) = list_sequence_cases(tmp_path)
    assert "case a in" in case["problem"]
    assert "t1ce was found 2 times (a_t1c.nii.gz, a_t1ce.nii.gz)" in case["problem"]


def test_names_that_say_nothing_are_refused(tmp_path):
    paths = write_brats_case(tmp_path, "a")
    strange = paths["t1"].rename(tmp_path / "a_0000.nii.gz")
    files = [strange, *(paths[name] for name in SEQUENCES[1:])]
    with pytest.raises(InputError, match=r"a_0000\.nii\.gz: the name identifies no sequence"):
        list_sequence_cases(files)
    with pytest.raises(InputError, match="the name identifies no sequence"):
        list_sequence_cases(strange)
    for path in paths.values():
        path.unlink(missing_ok=True)
    with pytest.raises(InputError, match=r"(no file name|the name) identifies (a|no) sequence"):
        list_sequence_cases(tmp_path)


def write_list(folder, **lists):
    path = folder / "list.json"
    path.write_text(json.dumps(lists))
    return path


def test_data_lists_by_name_or_by_mapping(tmp_path):
    paths = {name: str(path.relative_to(tmp_path)) for name, path in write_brats_case(tmp_path / "d", "a").items()}
    label = paths.pop("seg")
    mapping = {"FLAIR": paths["flair"], "t1n": paths["t1"], "T1c": paths["t1ce"], "t2": paths["t2"]}
    source = write_list(
        tmp_path,
        training=[{"image": list(paths.values())[::-1], "label": label}, {"image": mapping, "case_id": "b"}],
    )
    first, second = list_sequence_cases(source)
    assert (first["case_id"], second["case_id"]) == ("a", "b")
    assert first["image"] == second["image"] == {name: str(tmp_path / paths[name]) for name in SEQUENCES}


def test_one_file_for_two_sequences_is_an_error(tmp_path):
    images = {"t1": "a.nii.gz", "t1ce": "b.nii.gz", "t2": "c.nii.gz", "flair": "a.nii.gz"}
    (case,) = list_sequence_cases(write_list(tmp_path, training=[{"image": images, "case_id": "x"}]))
    assert "case x of" in case["problem"]
    assert "a.nii.gz is given for t1 and flair" in case["problem"]


@pytest.mark.parametrize(
    ("lists", "named"),
    [
        ({}, "contains no list"),
        ({"training": ["a"]}, "entry 'a'"),
        ({"training": [{"image": "a_t1.nii.gz"}]}, "expected {'image': "),
        ({"training": [{"image": ["a_0001.nii.gz"]}]}, "the name identifies no sequence"),
        ({"training": [{"image": {"t1": "a.nii.gz"}, "case_id": "x"}] * 2}, "repeated case ids"),
    ],
)
def test_data_lists_of_another_form(tmp_path, lists, named):
    with pytest.raises(InputError, match=named.replace("{", r"\{")):
        list_sequence_cases(write_list(tmp_path, **lists))


def test_sections_and_folds(tmp_path):
    write_brats(tmp_path, n_cases=4)
    write_brats_case(tmp_path / "unlabelled", "new", label=False)
    with pytest.warns(UserWarning, match="1 cases have no label and are left out: new"):
        training = read_datalist(tmp_path, "brats", "training", n_folds=2)
    with pytest.warns(UserWarning, match="left out"):
        validation = read_datalist(tmp_path, "brats", "validation", n_folds=2)
    ids = {case["case_id"] for case in training} | {case["case_id"] for case in validation}
    assert len(training) == len(validation) == 2
    assert len(ids) == 4
    assert [case["case_id"] for case in read_datalist(tmp_path, "brats", "test")] == ["new"]
    with pytest.raises(InputError, match="a folder has no official validation list"):
        read_datalist(tmp_path, "brats", "official_validation")
    with pytest.raises(InputError, match="of MRI sequences"):
        read_datalist(tmp_path, "brats", modality="ct")
    with pytest.raises(InputError, match="no case left"):
        read_datalist(tmp_path, "brats", exclude=[case["case_id"] for case in training + validation])


def test_folds_that_a_data_list_states(tmp_path):
    entries = []
    for number in range(3):
        paths = {name: path.name for name, path in write_brats_case(tmp_path, f"c{number}", seed=number).items()}
        entries.append({"label": paths.pop("seg"), "image": list(paths.values()), "fold": number % 2})
    source = write_list(tmp_path, training=entries, validation=entries[:1])
    assert [c["case_id"] for c in read_datalist(source, "brats", "validation", fold=1, n_folds=2)] == ["c1"]
    assert [c["case_id"] for c in read_datalist(source, "brats", "training", fold=1, n_folds=2)] == ["c0", "c2"]
    assert [c["case_id"] for c in read_datalist(source, "brats", "official_validation")] == ["c0"]
    del entries[1]["label"]
    with pytest.raises(InputError, match="case c1 has no label"):
        read_datalist(write_list(tmp_path, training=entries), "brats")
    entries[1]["label"] = "lost.nii.gz"
    with pytest.raises(InputError, match=r"list\.json: 1 listed files do not exist: .*lost\.nii\.gz"):
        read_datalist(write_list(tmp_path, training=entries), "brats")


def test_channels_come_in_one_order_on_the_grid_of_the_first(tmp_path):
    paths = write_brats_case(tmp_path, "a")
    load = LoadSequencesd("image", sequences=SEQUENCES)
    image = load({"image": {name: str(paths[name]) for name in reversed(SEQUENCES)}})["image"]
    assert image.shape == (4, *nib.load(paths["t1"]).shape)
    for channel, name in zip(image, SEQUENCES, strict=True):
        np.testing.assert_array_equal(channel.numpy(), np.asarray(nib.load(paths[name]).dataobj))
    np.testing.assert_array_equal(image.affine, nib.load(paths["t1"]).affine)
    assert image.meta["filename_or_obj"] == str(paths["t1"])


def test_sequences_on_different_grids_are_refused(tmp_path):
    paths = write_brats_case(tmp_path, "a")
    other = nib.load(paths["flair"])
    affine = other.affine.copy()
    affine[0, 3] += 4.0
    nib.save(nib.Nifti1Image(np.asarray(other.dataobj), affine), paths["flair"])
    with pytest.raises(InputError, match=r"a_flair\.nii\.gz: its grid lies up to 4 mm from that of .*a_t1\.nii\.gz"):
        LoadSequencesd("image", sequences=SEQUENCES)(list_sequence_cases(tmp_path)[0])
    with pytest.raises(InputError, match="expected a file for each of t1, t1ce, t2, flair"):
        LoadSequencesd("image", sequences=SEQUENCES)({"image": [str(paths["t1"])], "case_id": "a"})


def test_one_file_stands_for_its_case(tmp_path):
    """As MONAI Label gives it: the others are found beside it by their names, in the bundle's order."""
    write_brats_case(tmp_path, "b", seed=1)
    paths = write_brats_case(tmp_path, "a")
    load = LoadSequencesd("image", sequences=SEQUENCES)
    whole = load(list_sequence_cases(tmp_path)[0])["image"]
    opened = load({"image": str(paths["flair"])})["image"]
    np.testing.assert_array_equal(opened.numpy(), whole.numpy())
    assert opened.meta["filename_or_obj"] == str(paths["flair"])
    case = {"image": str(paths["flair"]), "label": str(paths["seg"])}
    assert set(case_files(case)) == {str(path) for path in paths.values()}
    paths["t2"].unlink()
    with pytest.raises(InputError, match=r"case a in .*: t2 missing; found a_flair.nii.gz, a_t1.nii.gz, a_t1ce.nii.gz"):
        load({"image": str(paths["flair"])})
    with pytest.raises(InputError, match="the name identifies no sequence"):
        load({"image": str(tmp_path / "scan.nii.gz")})


def test_sequences_that_are_dicom_folders(tmp_path):
    folders = write_dicom_case(tmp_path / "p1")
    write_brats_case(tmp_path / "p2", "b")
    cases = {case["case_id"]: case for case in list_sequence_cases(tmp_path)}
    assert cases.keys() == {"p1", "b"}
    assert cases["p1"]["image"] == {name: str(folder) for name, folder in folders.items()}
    assert list_sequence_cases(list(folders.values())[::-1])[0]["image"] == cases["p1"]["image"]
    assert list_sequence_cases(write_list(tmp_path, test=[{"image": [f"p1/{name}" for name in folders]}])) == [
        cases["p1"]
    ]
    load = LoadSequencesd("image", sequences=SEQUENCES)
    image = load(cases["p1"])["image"]
    for channel, voxels in zip(image, brain()[0].values(), strict=True):
        np.testing.assert_array_equal(channel.numpy(), voxels)
    assert [Path(file).parent for file in image.meta["dicom_files"]] == [folders["t1"]] * image.shape[-1]


def test_dicom_tags_must_not_contradict_mr(tmp_path):
    write_dicom_case(tmp_path / "p1", modality="CT")
    with pytest.raises(InputError, match="modality is given as 'mr', but the DICOM files say 'CT'"):
        LoadSequencesd("image", sequences=SEQUENCES)(list_sequence_cases(tmp_path)[0])


def test_tilted_dicom_sequences_are_resampled_where_asked(tmp_path):
    write_dicom_case(tmp_path / "p1", tilt=1.0)
    (case,) = list_sequence_cases(tmp_path)
    with pytest.raises(InputError, match="gantry tilt"):
        LoadSequencesd("image", sequences=SEQUENCES)(case)
    image = LoadSequencesd("image", sequences=SEQUENCES, gantry_tilt="resample")(case)["image"]
    assert image.meta["dicom_resampled"]
