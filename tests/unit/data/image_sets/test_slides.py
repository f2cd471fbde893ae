"""The layout of slides: a table as of any images, and how they become tiles."""

import warnings

import pytest

from meddino_components.data.image_sets import Tiling, read_image_set
from meddino_components.errors import InputError

SPLITS = ("train", "train", "val", "val", "test", "test")


def save(root, rows=None, header="slide,metastasis,patient,part"):
    """A table, with an empty file or folder for each slide: nothing is read from them here."""
    rows = rows or [f"{k}.tif,{'no' if k % 2 else 'yes'},p{k},{split}" for k, split in enumerate(SPLITS)]
    (root / "tiles_of_0").mkdir(parents=True)
    for k in range(len(rows)):
        (root / f"{k}.tif").write_bytes(b"")
    (root / "slides.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return root


def read(root, **options):
    columns = {"path_column": "slide", "class_column": "metastasis", "patient_column": "patient"}
    return read_image_set(root, "slides", {"table": "slides.csv", "split_column": "part", **columns, **options})


def test_slides_of_a_table(tmp_path):
    rows = [f"{k}.tif,{k % 2},p{k},{split}" for k, split in enumerate(SPLITS)]
    rows[0] = "tiles_of_0,0,p0,train"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read(save(tmp_path, rows), max_tiles=9, mpp=1.0, seed=3, unstated_mpp=0.25)
    assert found.label_names == ("0", "1")
    assert [sample.split for sample in found.samples] == list(SPLITS)
    assert found.samples[0].image == str(tmp_path / "tiles_of_0")
    assert found.tiling == Tiling(tile_px=224, mpp=1.0, unstated_mpp=0.25, max_tiles=9, seed=3)
    assert found.of("test").tiling is found.tiling


def test_several_labels_and_a_split_made_here(tmp_path):
    rows = [f"{k}.tif,{k % 2},{k % 3 // 2},p{k // 2}" for k in range(40)]
    save(tmp_path, rows, "slide,er,pr,patient")
    options = {"class_column": None, "label_columns": ["er", "pr"], "split_column": None}
    found = read(tmp_path, **options)
    assert found.multi_label
    assert found.shared_patients() == ()
    assert found.samples != read(tmp_path, seed=1, **options).samples


def test_a_patient_in_two_splits(tmp_path):
    rows = [f"{k}.tif,{k % 2},p{k % 4},{split}" for k, split in enumerate(SPLITS)]
    save(tmp_path, rows)
    with pytest.raises(InputError, match="2 patients in two splits: p0, p1"):
        read(tmp_path)
    assert read(tmp_path, allow_same_patient=True).shared_patients() == ("p0", "p1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_column": "tumour"}, "no column 'tumour'. The columns are 'slide', 'metastasis', 'patient', 'part'"),
        ({"tile": 3}, "layout 'slides' has no option tile"),
        ({"mpp": 0}, "mpp is 0; expected a positive number"),
    ],
)
def test_options_that_do_not_fit(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        read(save(tmp_path), **options)


def test_a_slide_that_is_not_there(tmp_path):
    save(tmp_path)
    (tmp_path / "2.tif").unlink()
    with pytest.raises(InputError, match=r"1 of 6 listed files do not exist: .*2\.tif"):
        read(tmp_path)
