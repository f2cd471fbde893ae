import numpy as np
import pytest
from picture_files import save_grey, write_csv

from meddino_components.data.image_sets import load_picture
from meddino_components.data.image_sets.chest_xray14 import FINDINGS, read_chest_xray14
from meddino_components.errors import InputError

HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
PAIRS = ("Effusion|Mass", "No Finding", "Mass", "Effusion")


def save(root, findings=PAIRS):
    """60 patients of two images each, the last 20 for test; images in two folders as unpacked."""
    names = {f"{p:08d}_{k:03d}.png": findings[(p + k) % len(findings)] for p in range(1, 61) for k in range(2)}
    for number, name in enumerate(names):
        save_grey(root / f"images_{1 + number % 2:03d}" / "images" / name)
    rows = [f"{n},{labels},0,{int(n[:8])},058Y,M,PA,2682,2749,0.143,0.143," for n, labels in names.items()]
    write_csv(root / "Data_Entry_2017.csv", HEADER, *rows)
    for list_name, wanted in (("train_val_list.txt", range(1, 41)), ("test_list.txt", range(41, 61))):
        write_csv(root / list_name, *[name for name in names if int(name[:8]) in wanted])
    return root


def read(root, **options):
    return read_chest_xray14(root, **({"labels": ["Mass", "Effusion"]} | options))


def test_official_test_patients_and_carved_validation(tmp_path):
    found = read(save(tmp_path), val_fraction=0.25)
    assert found.label_names == ("Effusion", "Mass")
    assert [len(found.of(split)) for split in ("train", "val", "test")] == [60, 20, 40]
    assert {int(sample.patient) for sample in found.of("test").samples} == set(range(41, 61))
    np.testing.assert_array_equal(found.of("val").positives(), [10, 10])
    labels = {sample.sample_id: sample.labels for sample in found.samples}
    assert [labels[f"00000004_00{k}.png"] for k in (0, 1)] == [(1, 1), (0, 0)]
    assert load_picture(found.samples[0]).shape == (1, 4, 3)
    assert read(tmp_path, val_fraction=0.25).samples == found.samples
    assert read(tmp_path, val_fraction=0.25, seed=1).samples != found.samples


def test_all_findings_in_the_published_order(tmp_path):
    findings = [*FINDINGS, "No Finding"]
    found = read(save(tmp_path, findings), labels=None, val_fraction=0.4)
    assert len(found.label_names) == 14
    assert [FINDINGS[k] for k in (0, 7, 12, 13)] == ["Atelectasis", "Pneumothorax", "Pleural_Thickening", "Hernia"]
    sample = next(sample for sample in found.samples if sample.sample_id == "00000012_000.png")
    assert [name for name, label in zip(found.label_names, sample.labels, strict=True) if label] == [
        "Pleural_Thickening"
    ]


def test_all_images_in_one_folder_and_a_part_of_them(tmp_path):
    save(tmp_path)
    (tmp_path / "images_001" / "images").rename(tmp_path / "images")
    for file in (tmp_path / "images_002" / "images").iterdir():
        file.unlink()
    with pytest.raises(InputError, match=r"60 of 120 listed files do not exist: .*images/00000001_001\.png"):
        read(tmp_path)
    with pytest.warns(UserWarning, match="60 of 120"):
        found = read(tmp_path, allow_missing=True)
    assert len(found) == 60
    assert found.samples[0].image.startswith(str(tmp_path / "images"))


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("Data_Entry_2017.csv", "Finding Labels", "Findings", "no column 'Finding Labels'. The columns are 'Image Ind"),
        ("Data_Entry_2017.csv", "Effusion|Mass", "Effusions|Mass", "finding 'Effusions'; expected some of Atelectasis"),
        ("Data_Entry_2017.csv", "Effusion|Mass", "No Finding|Mass", "says a finding and none"),
        ("test_list.txt", "00000041_000.png\n", "", "1 image of the table in neither.*: 00000041_000.png"),
        ("test_list.txt", "00000041_000.png", "x.png\n00000041_000.png", "1 image of the lists without a row.*: x.png"),
        (
            "test_list.txt",
            "00000041_000.png",
            "00000041_000.png\n00000001_000.png",
            "1 image also listed in train",
        ),
    ],
)
def test_what_is_refused(tmp_path, file, old, new, message):
    path = save(tmp_path) / file
    path.write_text(path.read_text(encoding="utf-8").replace(old, new))
    with pytest.raises(InputError, match=message):
        read(tmp_path)


def test_patients_of_both_lists_and_missing_parts(tmp_path):
    path = save(tmp_path) / "Data_Entry_2017.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",0,41,", ",0,1,"))
    with pytest.raises(InputError, match="1 patient in two splits: 1"):
        read(tmp_path)
    (tmp_path / "test_list.txt").unlink()
    with pytest.raises(InputError, match=r"test_list\.txt: no such file"):
        read(tmp_path)
    with pytest.raises(InputError, match=r"labels is .*expected a list of some of Atelectasis"):
        read(tmp_path, labels=["Covid"])
