"""NRRD and MetaImage: spacing that is not stated, and voxels that lie elsewhere."""

import gzip
import os
import zlib

import itk
import numpy as np
import pytest
from volume_files import ct_voxels

from meddino_components.data import LoadVolumed
from meddino_components.data.cases.case_files import case_files
from meddino_components.data.curation.sources import list_source_cases
from meddino_components.errors import InputError

VOXELS = ct_voxels(shape=(6, 5, 4))
RAW = np.ascontiguousarray(VOXELS.T).astype("<i2").tobytes()
NRRD = {
    "type": "short",
    "dimension": "3",
    "sizes": "6 5 4",
    "encoding": "raw",
    "endian": "little",
    "space": "left-posterior-superior",
    "space directions": "(0.7,0,0) (0,0.9,0) (0,0,4)",
}
META = {
    "ObjectType": "Image",
    "NDims": "3",
    "DimSize": "6 5 4",
    "ElementType": "MET_SHORT",
    "ElementSpacing": "0.7 0.9 4",
}


def nrrd(path, data=RAW, **fields):
    lines = ["NRRD0004", *(f"{name}: {value}" for name, value in {**NRRD, **fields}.items() if value is not None)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("\n".join([*lines, "", ""]).encode() + data)
    return path


def meta(path, data=RAW, **fields):
    fields = {**META, "ElementDataFile": "LOCAL", **fields}
    lines = [f"{name} = {value}\n" for name, value in fields.items() if value is not None and name != "ElementDataFile"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join([*lines, f"ElementDataFile = {fields['ElementDataFile']}\n"]).encode() + data)
    return path


def load(path, **settings):
    return LoadVolumed("image", **settings)({"image": str(path)})["image"]


def check(path, spacing=(0.7, 0.9, 4), **settings):
    volume = load(path, **settings)
    np.testing.assert_array_equal(volume.numpy()[0], VOXELS)
    np.testing.assert_allclose(
        volume.affine.numpy()[:3, :3], np.diag([-spacing[0], -spacing[1], spacing[2]]), atol=1e-9
    )


def test_stated_spacing_is_read(tmp_path):
    for name in ("a.nrrd", "A.NRRD"):
        check(nrrd(tmp_path / name))
    for name in ("a.mha", "A.MHA"):
        check(meta(tmp_path / name))
    check(meta(tmp_path / "s.mha", ElementSpacing=None, ElementSize="0.7 0.9 4"))
    with pytest.warns(UserWarning, match="does not state the orientation"):
        check(nrrd(tmp_path / "b.nrrd", **{"space": None, "space directions": None, "spacings": "0.7 0.9 4"}))


@pytest.mark.filterwarnings("ignore:.*does not state the orientation")
@pytest.mark.parametrize(
    "fields",
    [
        {"space": None, "space directions": None},
        {"space": None, "space directions": None, "spacings": "nan nan nan"},
        {"space": None, "space directions": None, "spacings": "0.7 nan 4"},
        {"space directions": "none none none"},
        {"space directions": "(0.7,0,0) none (0,0,4)"},
        {"space": None, "space directions": None, "axis mins": "0 0 0", "axis maxs": "4 4 4"},
    ],
)
def test_nrrd_without_spacing_is_refused_unless_it_is_stated(tmp_path, fields):
    path = nrrd(tmp_path / "a.nrrd", **fields)
    with pytest.raises(InputError, match=r"states no spacing .* set `spacing_mm`"):
        load(path)
    check(path, spacing_mm=[0.7, 0.9, 4])


@pytest.mark.parametrize("fields", [{"ElementSpacing": None}, {"ElementSpacing": None, "elementspacing": "2 2 2"}])
def test_metaimage_without_spacing_is_refused_unless_it_is_stated(tmp_path, fields):
    path = meta(tmp_path / "a.mha", **fields)
    with pytest.raises(InputError, match=r"states no spacing \(ElementSize: none\).* set `spacing_mm`"):
        load(path)
    check(path, spacing_mm=[0.7, 0.9, 4])


def test_what_is_stated_must_not_contradict_the_header_and_units_are_mm(tmp_path):
    with pytest.raises(InputError, match=r"spacing_mm is \(1, 1, 1\), but the header says \(0\.7, 0\.9, 4\)"):
        load(nrrd(tmp_path / "a.nrrd"), spacing_mm=[1, 1, 1])
    with pytest.raises(InputError, match="lengths in 'um'"):
        load(nrrd(tmp_path / "b.nrrd", **{"space units": '"um" "um" "um"'}))
    with pytest.raises(InputError, match="lengths in 'cm'"):
        load(meta(tmp_path / "c.mha", DistanceUnits="cm"))


@pytest.mark.parametrize("write", [nrrd, meta])
@pytest.mark.parametrize("kind", ["above", "absolute", "link", "linked folder", "dots"])
def test_voxels_outside_of_the_header_s_folder_are_not_read(tmp_path, write, kind):
    secret = tmp_path / "elsewhere" / "secret.raw"
    secret.parent.mkdir()
    secret.write_bytes(RAW)
    folder = tmp_path / "in"
    folder.mkdir()
    os.symlink(secret, folder / "link.raw")
    os.symlink(secret.parent, folder / "below")
    name = {
        "above": "../elsewhere/secret.raw",
        "absolute": str(secret),
        "link": "link.raw",
        "linked folder": "below/secret.raw",
        "dots": "./x/../../elsewhere/secret.raw",
    }[kind]
    with pytest.raises(InputError, match="outside the header's folder"):
        load(_detached(write, folder / "h", name))


def _detached(write, path, name):
    if write is nrrd:
        return nrrd(path.with_suffix(".nhdr"), b"", **{"data file": name})
    return meta(path.with_suffix(".mhd"), b"", ElementDataFile=name)


@pytest.mark.parametrize("write", [nrrd, meta])
@pytest.mark.parametrize("suffix", ["attached", "detached"])
def test_the_suffix_does_not_decide_where_voxels_are(tmp_path, write, suffix):
    (tmp_path / "secret.raw").write_bytes(RAW)
    name = {"attached": {nrrd: "h.nrrd", meta: "h.mha"}, "detached": {nrrd: "h.nhdr", meta: "h.mhd"}}[suffix][write]
    field = "data file" if write is nrrd else "ElementDataFile"
    with pytest.raises(InputError, match="outside the header's folder"):
        load(write(tmp_path / "in" / name, b"", **{field: "../secret.raw"}))


@pytest.mark.parametrize("write", [nrrd, meta])
def test_voxels_in_the_folder_or_below_are_read(tmp_path, write):
    (tmp_path / "in" / "data").mkdir(parents=True)
    for name in ("v.raw", "./v.raw", "data/v.raw", "data/v w.raw"):
        (tmp_path / "in" / name).write_bytes(RAW)
        path = _detached(write, tmp_path / "in" / "h", name)
        check(path)
        assert case_files({"image": str(path)}) == [str(path), str((tmp_path / "in" / name).resolve())]
    os.symlink(tmp_path / "in", tmp_path / "linked")
    check(tmp_path / "linked" / path.name)
    before = list_source_cases(path, "ct")[0].key()
    os.utime(tmp_path / "in" / "data" / "v w.raw", (1, 1))
    assert list_source_cases(path, "ct")[0].key() != before


@pytest.mark.parametrize("write", [nrrd, meta])
def test_lists_and_numbered_files(tmp_path, write):
    size = len(RAW) // 4
    for number in range(4):
        (tmp_path / f"s{number:03d}.raw").write_bytes(RAW[number * size : (number + 1) * size])
    check(_detached(write, tmp_path / "p", "s%03d.raw 0 3 1"))
    path = _detached(write, tmp_path / "l", "LIST")
    text = path.read_text().rstrip("\n") + "\n"
    path.write_text(text + "".join(f"s{number:03d}.raw\n" for number in range(4)))
    check(path)
    (tmp_path.parent / "secret.raw").write_bytes(RAW[:size])
    path.write_text(text + "s000.raw\n../secret.raw\ns002.raw\ns003.raw\n")
    with pytest.raises(InputError, match="outside the header's folder"):
        load(path)
    with pytest.raises(InputError, match="outside the header's folder"):
        load(_detached(write, tmp_path / "p", "../s%03d.raw 0 3 1"))
    for name in ("%s.raw", "s%d%n.raw 0 3 1", "missing.raw", "-"):
        with pytest.raises(InputError, match=r"is not there|outside"):
            load(_detached(write, tmp_path / "p", name))


def test_a_second_field_does_not_hide_the_first(tmp_path):
    (tmp_path / "v.raw").write_bytes(RAW)
    path = _detached(nrrd, tmp_path / "h", "v.raw")
    path.write_text(path.read_text().replace("data file", "datafile: /etc/passwd\ndata file"))
    with pytest.raises(InputError, match="'data file' twice"):
        load(path)


@pytest.mark.parametrize("sizes", ["5 5 4", "6 5 3", "6 4 4"])
def test_headers_that_claim_less_than_there_is_are_refused(tmp_path, sizes):
    compressed = {"CompressedData": "True", "CompressedDataSize": str(len(zlib.compress(RAW)))}
    for path in (
        nrrd(tmp_path / "a.nrrd", sizes=sizes),
        nrrd(tmp_path / "b.nrrd", gzip.compress(RAW), sizes=sizes, encoding="gzip"),
        meta(tmp_path / "c.mha", DimSize=sizes),
        meta(tmp_path / "d.mha", zlib.compress(RAW), DimSize=sizes, **compressed),
    ):
        with pytest.raises(InputError, match="follow the last voxel"):
            load(path)


@pytest.mark.parametrize("size", [None, "0", "1", "9" * 30])
def test_a_wrong_size_of_compressed_voxels_is_refused(tmp_path, size):
    path = meta(tmp_path / "a.mha", zlib.compress(RAW), CompressedData="True", CompressedDataSize=size)
    with pytest.raises(InputError, match="CompressedDataSize is"):
        load(path)


def test_a_type_of_voxels_that_nobody_knows_is_refused(tmp_path):
    with pytest.raises(InputError, match="header cannot be read"):
        load(meta(tmp_path / "a.mha", ElementType="MET_SHORY"))


def test_compressed_files_of_itk_are_read(tmp_path):
    image = itk.image_from_array(np.ascontiguousarray(VOXELS.T))
    for name in ("a.nrrd", "a.mha", "a.nhdr", "a.mhd"):
        itk.imwrite(image, str(tmp_path / name), compression=True)
        check(tmp_path / name, spacing=(1, 1, 1))
