"""The text of NRRD and MetaImage headers: spacing that is not stated, and voxels that lie elsewhere."""

import os

import pytest
from text_header_files import RAW, check, detached, load, meta, nrrd

from meddino_components.data.cases.case_files import case_files
from meddino_components.data.curation.sources import list_source_cases
from meddino_components.data.volumes.text_headers import detached_files, read_metaimage_text, read_nrrd_text
from meddino_components.errors import InputError


def test_what_is_taken_from_the_text(tmp_path):
    content = nrrd(tmp_path / "a.nrrd", **{"space units": '"mm" "mm" "mm"'})
    text = read_nrrd_text(content)
    assert text.spacing == pytest.approx((0.7, 0.9, 4.0))
    assert (text.unit, text.oriented, text.data_files, text.packing) == (None, True, None, "none")
    assert text.data_start == content.stat().st_size - len(RAW)
    moved = read_nrrd_text(nrrd(tmp_path / "b.nrrd", **{"byte skip": "-1", "encoding": "gz", "space": "scanner-xyz"}))
    assert (moved.data_start, moved.packing, moved.oriented) == (None, "gzip", False)
    text = read_metaimage_text(meta(tmp_path / "c.mha", CompressedData="True", CompressedDataSize="17"))
    assert (text.spacing, text.packing, text.packed_bytes) == ((0.7, 0.9, 4.0), "zlib", 17)
    assert text.data_start == (tmp_path / "c.mha").stat().st_size - len(RAW)
    assert read_metaimage_text(meta(tmp_path / "d.mha", BinaryData="False", HeaderSize="-1")).data_start is None


def test_files_of_voxels_by_name(tmp_path):
    for name in ("v.raw", "s0.raw", "s2.raw"):
        (tmp_path / name).write_bytes(RAW)
    assert detached_files(detached(nrrd, tmp_path / "h", "v.raw")) == [tmp_path / "v.raw"]
    assert detached_files(detached(meta, tmp_path / "h", "s%d.raw 2 0 -2")) == [
        tmp_path / "s2.raw",
        tmp_path / "s0.raw",
    ]
    assert detached_files(nrrd(tmp_path / "a.nrrd")) == []
    # a header that cannot be read names none, and neither does a file of another kind
    assert detached_files(detached(meta, tmp_path / "h", "lost.raw")) == []
    assert detached_files(tmp_path / "v.raw") == []


@pytest.mark.parametrize(
    ("read", "kind"), [(read_nrrd_text, "not an NRRD file"), (read_metaimage_text, "no ElementDa")]
)
def test_a_text_of_another_kind(tmp_path, read, kind):
    (tmp_path / "a").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match=kind):
        read(tmp_path / "a")


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
        load(detached(write, folder / "h", name))


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
        path = detached(write, tmp_path / "in" / "h", name)
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
    check(detached(write, tmp_path / "p", "s%03d.raw 0 3 1"))
    path = detached(write, tmp_path / "l", "LIST")
    text = path.read_text().rstrip("\n") + "\n"
    path.write_text(text + "".join(f"s{number:03d}.raw\n" for number in range(4)))
    check(path)
    (tmp_path.parent / "secret.raw").write_bytes(RAW[:size])
    path.write_text(text + "s000.raw\n../secret.raw\ns002.raw\ns003.raw\n")
    with pytest.raises(InputError, match="outside the header's folder"):
        load(path)
    with pytest.raises(InputError, match="outside the header's folder"):
        load(detached(write, tmp_path / "p", "../s%03d.raw 0 3 1"))
    for name in ("%s.raw", "s%d%n.raw 0 3 1", "missing.raw", "-"):
        with pytest.raises(InputError, match=r"does not exist|outside"):
            load(detached(write, tmp_path / "p", name))


def test_a_second_field_does_not_hide_the_first(tmp_path):
    (tmp_path / "v.raw").write_bytes(RAW)
    path = detached(nrrd, tmp_path / "h", "v.raw")
    path.write_text(path.read_text().replace("data file", "datafile: /etc/passwd\ndata file"))
    with pytest.raises(InputError, match="'data file' twice"):
        load(path)
