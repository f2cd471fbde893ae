import warnings

import numpy as np
import pytest
from picture_files import write_csv
from volume_files import ct_voxels, save_nifti

from meddino_components.data import LoadVolumed
from meddino_components.data.image_sets.ct_rate import ABNORMALITIES, read_ct_rate
from meddino_components.errors import InputError

LABELS = ["Cardiomegaly", "Emphysema"]


def volume(folder, name):
    patient, scan = "_".join(name.split("_")[:2]), "_".join(name.split("_")[:3])
    return folder / patient / scan / f"{name}.nii.gz"


def save(root, suffix="_fixed", labels_folder="multi_abnormality_labels"):
    """20 patients of training with two reconstructions and 8 of validation with one; volumes are empty files."""
    for part, n, reconstructions in (("train", 20, (1, 2)), ("valid", 8, (1,))):
        rows = ["VolumeName," + ",".join(ABNORMALITIES)]
        for k in range(1, n + 1):
            for r in reconstructions:
                path = volume(root / "dataset" / f"{part}{suffix}", f"{part}_{k}_a_{r}")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
                flags = [str(int(name in LABELS and (k + LABELS.index(name)) % 2)) for name in ABNORMALITIES]
                rows.append(",".join([path.name, *flags]))
        write_csv(root / "dataset" / labels_folder / f"{part}_predicted_labels.csv", *rows)
    return root


def read(root, **options):
    return read_ct_rate(root, **({"labels": LABELS} | options))


def test_volumes_patients_and_splits(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        found = read(save(tmp_path), val_fraction=0.2)
    assert (found.dimensions, found.modality, found.multi_label) == (3, "ct", True)
    assert found.label_names == ("Cardiomegaly", "Emphysema")
    assert [len(found.of(split)) for split in ("train", "val", "test")] == [32, 8, 8]
    np.testing.assert_array_equal(found.of("val").positives(), [4, 4])
    sample = found.samples[-1]
    assert (sample.sample_id, sample.patient, sample.index, sample.labels) == ("valid_8_a_1", "valid_8", None, (0, 1))
    assert sample.image == str(tmp_path / "dataset/valid_fixed/valid_8/valid_8_a/valid_8_a_1.nii.gz")
    assert read(tmp_path / "dataset", val_fraction=0.2).samples == found.samples
    assert read(tmp_path, val_fraction=0.2, seed=1).samples != found.samples


def test_the_volume_is_read_as_others_are(tmp_path):
    found = read(save(tmp_path, labels_folder=""))
    sample = found.samples[0]
    voxels = ct_voxels()
    save_nifti(volume(tmp_path / "dataset/train_fixed", sample.sample_id), voxels)
    image = LoadVolumed("image")({"image": sample.image, "modality": found.modality})["image"]
    np.testing.assert_array_equal(np.asarray(image)[0], voxels)


def test_the_first_release_is_read_with_a_warning(tmp_path):
    with pytest.warns(UserWarning, match="lack spacing and rescale.*Download train_fixed instead"):
        assert "/dataset/train/" in read(save(tmp_path, suffix="")).samples[0].image


def test_files_without_row_and_rows_without_file(tmp_path):
    save(tmp_path)
    folder = tmp_path / "dataset/train_fixed"
    volume(folder, "train_1_a_1").rename(folder / "train_1" / "copy.nii.gz")
    for k in range(2, 9):
        volume(folder, f"train_{k}_a_2").unlink()
    with (
        pytest.raises(InputError, match=r"8 of 40 listed files do not exist: .*train_1_a_1.*and 3 more"),
        pytest.warns(UserWarning, match=r"1 file without a row: .*copy\.nii\.gz"),
    ):
        read(tmp_path)
    with pytest.warns(UserWarning, match="8 of 40"):
        assert len(read(tmp_path, allow_missing=True)) == 40


def test_volumes_of_other_regions_are_left_out(tmp_path):
    save(tmp_path)
    names = ["train_3_a_1.nii.gz", "dataset/train/train_3/train_3_a/train_3_a_2.nii.gz"]
    write_csv(tmp_path / "dataset/metadata/no_chest_train.txt", *names)
    with pytest.warns(UserWarning, match=r"no_chest_train\.txt: 2 volumes are not of the chest and left out"):
        found = read(tmp_path)
    assert "train_3" not in {sample.patient for sample in found.samples}


def test_what_is_refused(tmp_path):
    table = save(tmp_path) / "dataset/multi_abnormality_labels/train_predicted_labels.csv"
    with pytest.raises(InputError, match=r"16 of 18 labels have no example.*'train': Medical material"):
        read(tmp_path, labels=None)
    text = table.read_text(encoding="utf-8")
    table.write_text(text.replace("Emphysema", "emphysema"))
    with pytest.raises(InputError, match=r"no column 'Emphysema'\. The columns are 'VolumeName', 'Medical material'"):
        read(tmp_path)
    table.write_text(text.replace("train_7_a_1.nii.gz", "train_7_1.nii.gz"))
    with pytest.raises(
        InputError, match=r"row 14: the volume is 'train_7_1\.nii\.gz'; expected a name such as train_1"
    ):
        read(tmp_path)
    table.unlink()
    with pytest.raises(InputError, match=r"train_predicted_labels\.csv: no such file"):
        read(tmp_path)
    (tmp_path / "dataset/train_fixed").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="train_fixed: no such folder, nor train"):
        read(tmp_path)
