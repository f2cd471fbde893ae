"""NRRD and MetaImage: spacing that is not stated, and voxels that lie elsewhere."""

import gzip
import zlib

import itk
import numpy as np
import pytest
from text_header_files import RAW, VOXELS, check, load, meta, nrrd

from meddino_components.errors import InputError


def test_stated_spacing_is_read(tmp_path):
    for name in ("a.nrrd", "A.NRRD"):
        check(nrrd(tmp_path / name))
    for name in ("a.mha", "A.MHA"):
        check(meta(tmp_path / name))
    check(meta(tmp_path / "s.mha", ElementSpacing=None, ElementSize="0.7 0.9 4"))
    with pytest.warns(UserWarning, match="does not state the orientation"):
        check(nrrd(tmp_path / "b.nrrd", **{"space": None, "space directions": None, "spacings": "0.7 0.9 4"}))


def test_what_is_stated_must_not_contradict_the_header_and_units_are_mm(tmp_path):
    with pytest.raises(InputError, match=r"spacing_mm is \(1, 1, 1\), but the header says \(0\.7, 0\.9, 4\)"):
        load(nrrd(tmp_path / "a.nrrd"), spacing_mm=[1, 1, 1])
    with pytest.raises(InputError, match="lengths in 'um'"):
        load(nrrd(tmp_path / "b.nrrd", **{"space units": '"um" "um" "um"'}))
    with pytest.raises(InputError, match="lengths in 'cm'"):
        load(meta(tmp_path / "c.mha", DistanceUnits="cm"))


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
