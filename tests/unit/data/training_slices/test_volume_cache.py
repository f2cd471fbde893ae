"""Preprocessed volumes on disk."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from array_cases import preprocessing, write_case
from command_lines import AMOS
from monai.bundle import ConfigParser
from monai.transforms import Compose, Orientationd
from volume_files import ct_voxels, save_nifti

from meddino_components import processes
from meddino_components.data import LoadVolumed, VolumeCache
from meddino_components.data.training_slices import volume_cache as module
from meddino_components.errors import InputError


def stored_places(cached):
    with np.load(cached.folder / "foreground.npz") as arrays:
        return {int(name): arrays[name] for name in arrays.files}


@pytest.fixture
def cases(tmp_path):
    rng = np.random.default_rng(0)
    volumes = [rng.normal(size=(4, 5, 3)) for _ in range(2)]
    label = np.zeros((4, 5, 3))
    label[1, 2, 0], label[3, 4, 2], label[0, 0, 1] = 2, 2, 7
    return [write_case(tmp_path / "data", f"case{i}", volume, label) for i, volume in enumerate(volumes)]


def open_cache(cases, tmp_path, scale=1.0, **kwargs):
    return VolumeCache(data=cases, preprocessing=preprocessing(scale), cache_dir=tmp_path / "cache", **kwargs)


def folders(tmp_path):
    return {path.name for path in (tmp_path / "cache").iterdir()}


@pytest.mark.parametrize("num_workers", [0, 2])
def test_holds_slices_first_and_the_places_of_each_class(cases, tmp_path, num_workers):
    cache = open_cache(cases, tmp_path, num_workers=num_workers)
    for case, found in zip(cases, (cache[0], cache[1]), strict=True):
        volume = np.load(case["image"])
        assert (found.image.dtype, found.label.dtype) == (np.float16, np.uint8)
        np.testing.assert_array_equal(found.image, volume.astype(np.float16).transpose(2, 0, 1)[:, None])
        np.testing.assert_array_equal(found.label, np.load(case["label"]).transpose(2, 0, 1))
        places = {key: value.tolist() for key, value in stored_places(found).items()}
        assert places == {2: [[0, 1, 2], [2, 3, 4]], 7: [[1, 0, 0]]}


def test_each_orientation_of_the_slices_has_entries_of_its_own(tmp_path):
    shape = (24, 20, 5)  # to the right, to the front, upwards
    image, label = tmp_path / "image.nii", tmp_path / "label.nii"
    save_nifti(image, ct_voxels(shape=shape))
    save_nifti(label, np.ones(shape, np.uint8))
    case = {"image": str(image), "label": str(label), "case_id": "a"}
    found = {}
    for axcodes in ("PLS", "ILP", "IPL", "PLS"):
        orient = Orientationd(["image", "label"], axcodes=axcodes, labels=None)
        steps = Compose([LoadVolumed(["image", "label"]), orient])
        (cached,) = VolumeCache(data=[case], preprocessing=steps, cache_dir=tmp_path / "cache")
        found.setdefault(axcodes, cached.folder)
        assert found[axcodes] == cached.folder
    assert len(folders(tmp_path)) == 3
    assert np.load(found["PLS"] / "label.npy").shape == (5, 20, 24)
    assert np.load(found["ILP"] / "label.npy").shape == (20, 5, 24)
    assert np.load(found["IPL"] / "label.npy").shape == (24, 5, 20)


def test_a_sample_of_a_large_class_is_kept(tmp_path):
    label = np.zeros((10, 10, 2))
    label[..., 1] = 1
    case = write_case(tmp_path / "data", "large", np.zeros((10, 10, 2)), label)
    places = stored_places(open_cache([case], tmp_path, max_voxels_per_class=30)[0])[1]
    assert places.shape == (30, 3)
    assert len({tuple(place) for place in places}) == 30
    assert set(places[:, 0]) == {1}


def test_nothing_is_preprocessed_twice(cases, tmp_path):
    open_cache(cases, tmp_path)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*")}
    open_cache(cases, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*")} == stamps


@pytest.mark.parametrize("change", ["image's time", "label's time", "size", "preprocessing", "modality", "sample"])
def test_whatever_changes_the_result_changes_the_key(cases, tmp_path, change):
    case = cases[0]
    open_cache([case], tmp_path)
    settings = {}
    if change.endswith("time"):
        path = case[change.partition("'")[0]]
        stat = os.stat(path)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    elif change == "size":
        np.save(case["image"], np.zeros((4, 5, 4), np.float32))
    elif change == "preprocessing":
        settings["scale"] = 2.0
    elif change == "modality":
        case = {**case, "modality": "mr"}
    else:
        settings["max_voxels_per_class"] = 5
    open_cache([case], tmp_path, **settings)
    assert len(folders(tmp_path)) == 2


def test_a_folder_that_a_kill_left_half_written_is_not_used(cases, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(path, **arrays):
        Path(path).write_bytes(b"half")
        raise Killed

    with monkeypatch.context() as context:
        context.setattr(module.np, "savez", killed)
        context.setattr(module.shutil, "rmtree", lambda *args, **kwargs: None)  # a killed process cleans nothing up
        with pytest.raises(Killed):
            open_cache(cases, tmp_path)
    (left_over,) = folders(tmp_path)
    assert ".partial" in left_over
    cache = open_cache(cases, tmp_path)
    assert cache[0].folder.name != left_over
    assert stored_places(cache[0]).keys() == {2, 7}


def test_filling_it_draws_no_random_number(cases, tmp_path):
    """Otherwise a run whose cache is there begins with other weights than one that fills it."""
    torch.manual_seed(0)
    before = torch.get_rng_state()
    open_cache(cases, tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_error_leaves_nothing(cases, tmp_path, monkeypatch):
    def full(path, **arrays):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        open_cache(cases, tmp_path)
    assert folders(tmp_path) == set()


def test_another_process_may_have_been_first(cases, tmp_path, monkeypatch):
    cache = open_cache(cases, tmp_path)
    folder = cache[0].folder
    before = (folder / "image.npy").stat().st_mtime_ns
    cache._write(cases[0], folder)
    assert (folder / "image.npy").stat().st_mtime_ns == before
    assert len(folders(tmp_path)) == 2


def counted(monkeypatch):
    """Ids of the cases that are preprocessed from here on."""
    made, original = [], VolumeCache._write
    monkeypatch.setattr(
        VolumeCache, "_write", lambda self, case, folder: (made.append(case["case_id"]), original(self, case, folder))
    )
    return made


def test_five_folds_make_each_volume_once(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    cases = [write_case(tmp_path / "data", f"c{i}", rng.normal(size=(4, 4, 2)), np.ones((4, 4, 2))) for i in range(10)]
    made = counted(monkeypatch)
    for fold in range(5):
        training = [case for number, case in enumerate(cases) if number % 5 != fold]
        # what a fold says of itself is no part of a volume
        open_cache([{**case, "fold": fold} for case in training], tmp_path)
    assert sorted(made) == sorted(case["case_id"] for case in cases)
    assert len(folders(tmp_path)) == 10


def test_a_case_that_is_listed_twice_is_made_once(cases, tmp_path, monkeypatch):
    made = counted(monkeypatch)
    open_cache([*cases, {**cases[0], "case_id": "again"}], tmp_path)
    assert len(made) == 2


def test_processes_take_their_shares_of_one_list(cases, tmp_path, monkeypatch):
    """Process 1 looks when process 0 has made a volume already: by its own look, the missing one was not its share."""
    keys = [open_cache([case], tmp_path / "elsewhere")._keys[0] for case in cases]
    open_cache(cases[:1], tmp_path)
    monkeypatch.setattr(module, "rank_and_size", lambda: (1, 2))
    monkeypatch.setattr(module, "first_process_decides", lambda decide: (keys, [0, 1]))
    open_cache(cases, tmp_path)
    assert folders(tmp_path) == set(keys)


def test_an_error_of_one_process_is_raised_in_the_others(cases, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "gathered", lambda value: [value, "scan.nii.gz: is broken"])
    with pytest.raises(InputError, match=r"scan\.nii\.gz: is broken"):
        open_cache(cases, tmp_path)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_case_that_cannot_be_read_is_named(cases, tmp_path, num_workers):
    Path(cases[1]["image"]).write_bytes(b"half")
    steps = [LoadVolumed(["image"])]
    with pytest.raises(InputError, match=r"case1_image\.npy: unknown kind of file"):
        VolumeCache(data=cases[1:], preprocessing=Compose(steps), cache_dir=tmp_path / "cache", num_workers=num_workers)


@pytest.mark.parametrize("values", ["scan.raw", "other.dat", "list"])
def test_values_beside_a_header_are_part_of_a_case(cases, tmp_path, values):
    named = {"list": "LIST\na.raw"}.get(values, values)
    header = tmp_path / "scan.mhd"
    header.write_text(f"ElementDataFile = {named}\n")
    data = tmp_path / {"list": "a.raw"}.get(values, values)
    data.write_bytes(b"1")
    cache = open_cache(cases, tmp_path)
    case = {"image": str(header), "label": cases[0]["label"]}
    before = cache._key(case)
    data.write_bytes(b"22")
    assert cache._key(case) != before


def test_a_slice_of_a_dicom_series_is_part_of_a_case_and_so_is_the_series(cases, tmp_path):
    folder = tmp_path / "series"
    folder.mkdir()
    (folder / "1.dcm").write_bytes(b"1")
    cache = open_cache(cases, tmp_path)
    case = {"image": str(folder), "label": cases[0]["label"]}
    keys = {cache._key(case), cache._key({**case, "series_uid": "1.2"}), cache._key({**case, "series_uid": "1.3"})}
    (folder / "1.dcm").write_bytes(b"22")
    assert len(keys | {cache._key(case)}) == 4


@pytest.mark.parametrize("change", ["table", "version"])
def test_a_change_of_the_code_changes_the_key(cases, tmp_path, monkeypatch, change):
    open_cache(cases, tmp_path)
    if change == "table":
        monkeypatch.setitem(module.INTENSITY_TABLE, "ct", {"clip": (-900.0, 900.0), "mean": 60.0, "std": 170.0})
    else:
        monkeypatch.setattr(module, "PREPROCESSING_VERSION", module.PREPROCESSING_VERSION + 1)
    open_cache(cases, tmp_path)
    assert len(folders(tmp_path)) == 4


def test_entries_are_for_whom_the_umask_lets_read(cases, tmp_path):
    before = os.umask(0o027)
    try:
        cache = open_cache(cases, tmp_path)
    finally:
        os.umask(before)
    paths = [tmp_path / "cache", cache[0].folder, *cache[0].folder.iterdir()]
    assert [path.stat().st_mode & 0o777 for path in paths] == [0o750, 0o750, 0o640, 0o640, 0o640]


def test_what_does_not_fit_is_refused_before_anything_is_made(cases, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "cached_bytes", lambda *_: 2**60)
    with pytest.raises(InputError, match=r"need about 1152921504.6 GB, but only .* are free. .*MEDDINO_CACHE"):
        open_cache(cases, tmp_path)
    assert folders(tmp_path) == set()


def test_a_class_that_the_network_lacks_names_the_case(cases, tmp_path):
    highest = max(int(np.load(case["label"]).max()) for case in cases)
    open_cache(cases, tmp_path, num_classes=highest + 1)
    with pytest.raises(InputError, match=rf"holds class {highest}, but the network has classes 0 to {highest - 1}"):
        open_cache(cases, tmp_path / "other", num_classes=highest)
    assert not any((tmp_path / "other" / "cache").glob("*"))


# what preprocessing gave when its version was last raised, for several MR channels, which are normalised one by one
NUMBERS_OF_VERSION = {2: {"mean": -2.9789, "std": 2.7988, "voxel": 0.0388, "voxels": 4200, "organ": 1519}}


def test_who_changes_what_preprocessing_gives_raises_the_version(tmp_path):
    """Where this fails and the change is meant, raise `PREPROCESSING_VERSION` and write the new numbers down."""
    voxels = ct_voxels(shape=(24, 20, 5))
    save_nifti(tmp_path / "i.nii", voxels)
    save_nifti(tmp_path / "l.nii", (voxels > 0).astype(np.uint8))
    case = {"image": str(tmp_path / "i.nii"), "label": str(tmp_path / "l.nii"), "case_id": "a", "modality": "ct"}
    parser = ConfigParser(ConfigParser.load_config_file(str(AMOS / "configs" / "train.json")))
    parser["pixdim"] = [0.6, 0.6]
    steps = parser.get_parsed_content("train::preprocessing")
    cached = VolumeCache(data=[case], preprocessing=steps, cache_dir=tmp_path / "cache")[0]
    image = cached.image.astype(np.float64)
    found = {"mean": image.mean(), "std": image.std(), "voxel": image[3, 0, 5, 11]}
    found |= {"voxels": image.size, "organ": int(cached.label.sum())}
    assert found == pytest.approx(NUMBERS_OF_VERSION[module.PREPROCESSING_VERSION], abs=2e-3)


def test_the_cache_knows_every_file_of_a_case(tmp_path):
    plain = write_case(tmp_path / "data", "a", np.zeros((4, 4, 2)), np.zeros((4, 4, 2)))
    other = write_case(tmp_path / "data", "b", np.ones((4, 4, 2)), np.zeros((4, 4, 2)))
    case = {**plain, "image": {"t1": plain["image"], "t2": other["image"]}}
    cache = VolumeCache(data=[plain], preprocessing=preprocessing(), cache_dir=tmp_path / "cache")
    before = cache._key(case)
    np.save(other["image"], np.ones((5, 4, 2)))
    assert cache._key(case) != before
