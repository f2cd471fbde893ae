import numpy as np
import pytest
from picture_files import save_grey, write_csv

from meddino_components.data.image_sets import load_picture
from meddino_components.data.image_sets.labelled_table import read_labelled_table
from meddino_components.errors import InputError
from meddino_components.shared_options import flattened

SPLITS = ("train", "train", "Training", "val", "valid", "test", "TEST")


def save(root, rows=None, header="file;kind;who;part;a;b", bom=""):
    """Seven pictures of six patients."""
    rows = rows or [f"im/{k}.png;{'cb'[k % 2]};p{min(k, 5)};{s};{k % 2};{1 - k % 2}" for k, s in enumerate(SPLITS)]
    for row in rows:
        save_grey(root / row.split(";")[0], value=9)
    write_csv(root / "labels.csv", bom + header, *rows)
    return root


def read(root, **options):
    settings = {"table": "labels.csv", "path_column": "file", "split_column": "part", "patient_column": "who"}
    if "label_columns" not in options:
        settings["class_column"] = "kind"
    return flattened(read_labelled_table)(root, **(settings | options))


def test_classes_splits_and_patients_of_the_table(tmp_path):
    found = read(save(tmp_path / "My set ü", bom="\ufeff"))
    assert (found.name, found.label_names, found.multi_label, found.dimensions) == ("labels", ("b", "c"), False, 2)
    assert [sample.split for sample in found.samples] == ["train"] * 3 + ["val"] * 2 + ["test"] * 2
    np.testing.assert_array_equal(found.targets(), [1, 0, 1, 0, 1, 0, 1])
    assert found.samples[6].patient == "p5"
    assert found.samples[2].image == str(tmp_path / "My set ü" / "im" / "2.png")
    np.testing.assert_allclose(load_picture(found.samples[2]), np.full((1, 4, 3), 9 / 255), rtol=1e-6)


def test_columns_of_labels(tmp_path):
    found = read(save(tmp_path), label_columns=["b", "a"])
    assert (found.label_names, found.multi_label) == (("b", "a"), True)
    np.testing.assert_array_equal(found.targets()[:2], [[1, 0], [0, 1]])


def test_whole_numbers_are_in_order_of_value(tmp_path):
    rows = [f"{k}.png;{(2, 10)[k % 2]};{k};{split}" for k, split in enumerate(SPLITS)]
    assert read(save(tmp_path, rows, "file;kind;who;part")).label_names == ("2", "10")


def many(root, n=60):
    return save(root, [f"{k}.png;{'xy'[k % 3 == 0]};p{k // 2}" for k in range(n)], "file;kind;who")


def test_a_seeded_split_by_patient(tmp_path):
    many(tmp_path)
    found = read(tmp_path, split_column=None, fractions=(0.5, 0.25, 0.25))
    # pairs of images: 15, 7.5 and 7.5 of them
    assert [len(found.of(split)) for split in ("train", "val", "test")] == [
        30,
        pytest.approx(15, abs=1),
        pytest.approx(15, abs=1),
    ]
    assert found.shared_patients() == ()
    assert found.samples == read(tmp_path, split_column=None, fractions=(0.5, 0.25, 0.25)).samples
    assert found.samples != read(tmp_path, split_column=None, fractions=(0.5, 0.25, 0.25), seed=1).samples
    by_default = read(tmp_path, split_column=None)
    assert len(by_default.of("train")) == pytest.approx(42, abs=2)


def test_validation_is_carved_where_the_table_has_none(tmp_path):
    rows = [f"{k}.png;{'xy'[k % 3 == 0]};p{k // 2};{'train' if k < 40 else 'test'}" for k in range(60)]
    found = read(save(tmp_path, rows, "file;kind;who;part"), val_fraction=0.2)
    assert [len(found.of(split)) for split in ("train", "val", "test")] == [32, 8, 20]
    assert found.shared_patients() == ()


def test_patients_in_two_splits(tmp_path):
    rows = [f"{k}.png;{'xy'[k % 2]};p{k % 6};{split}" for k, split in enumerate(SPLITS)]
    with pytest.raises(InputError, match="1 patient in two splits: p0"):
        read(save(tmp_path, rows, "file;kind;who;part"))
    assert read(tmp_path, allow_same_patient=True).shared_patients() == ("p0",)
    assert read(tmp_path, patient_column=None).samples[0].patient == "0.png"


def test_volumes(tmp_path):
    found = read(save(tmp_path), dimensions=3, modality="mr")
    assert (found.dimensions, found.modality) == (3, "mr")


def test_missing_files(tmp_path):
    many(tmp_path)
    for k in range(7):
        (tmp_path / f"{k}.png").unlink()
    message = r"labels\.csv: 7 of 60 listed files do not exist: .*0\.png.*4\.png and 2 more"
    with pytest.raises(InputError, match=message + ".*set allow_missing"):
        read(tmp_path, split_column=None)
    with pytest.warns(UserWarning, match=message):
        assert len(read(tmp_path, split_column=None, allow_missing=True)) == 53


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_column": "sort"}, "no column 'sort'. The columns are 'file', 'kind', 'who', 'part', 'a', 'b'"),
        ({"label_columns": ["a", "c"]}, "no column 'c'. The columns are"),
        ({"label_columns": ["a", "kind"]}, "'kind' is 'c'; expected 0 or 1"),
        ({"label_columns": ["a"], "class_column": "kind"}, "expected either the column of one class, or a list"),
        ({"label_columns": "a"}, "expected either"),
        ({"class_column": None}, "expected either"),
        ({"split_column": "kind"}, "row 2: 'kind' is 'c'; expected one of train, training, val"),
        ({"fractions": (0.5, 0.2, 0.3)}, "fractions are given and the column 'part' of splits too"),
        ({"split_column": None, "val_fraction": 0.1}, "val_fraction is given without split_column"),
        ({"val_fraction": 0.1}, "'part' names validation"),
        ({"modality": "ct"}, "expected 2 and 'picture', or 3"),
        ({"dimensions": 3}, "expected 2 and 'picture', or 3"),
        ({"table": "none.csv"}, r"none\.csv: no such file"),
    ],
)
def test_what_is_refused(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        read(save(tmp_path), **options)


def test_an_image_listed_twice_and_no_folder(tmp_path):
    rows = [f"{k % 6}.png;{'xy'[k % 2]};p;train" for k in range(7)]
    with pytest.raises(InputError, match=r"1 sample ids recur: 0\.png"):
        read(save(tmp_path, rows, "file;kind;who;part"), split_column=None, patient_column=None)
    with pytest.raises(InputError, match="no such folder"):
        read(tmp_path / "none")
