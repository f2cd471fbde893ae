"""The organs' bundle in a MONAI Label server whose studies are on a DICOMweb server: CT or MR is what the tag says."""

import json
import urllib.error
from io import BytesIO
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from command_lines import AMOS
from dicom_segmentations import labels_of_segmentation
from dicomweb_server import DicomWebServer
from label_server import Server, check_same
from volume_files import CT_CLASS, SERIES_UID, write_dicom_series

from meddino_components.checkpoints import sha256_of
from meddino_components.phantoms import write_phantoms

pytestmark = pytest.mark.slow

MR_CLASS = "1.2.840.10008.5.1.4.1.1.4"
# with gaps: of those that a SEG holds, it numbers the segments 1, 2, 3
DRAWN = [3, 6, 10]


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """A CT and an MR series with the labels of their voxels, in the order of DICOM's axes."""
    folder = tmp_path_factory.mktemp("series")
    phantoms = write_phantoms(folder / "phantoms", n_ct=1, n_mr=1, n_val_ct=0, in_plane_px=64, slice_mm=(16.0, 20.0))
    series = {}
    for name, modality, sop_class in (("amos_0001", "CT", CT_CLASS), ("amos_0501", "MR", MR_CLASS)):
        # from right, anterior, superior to left, posterior, superior
        image, label = (
            nib.as_closest_canonical(nib.load(phantoms / part / f"{name}.nii.gz")) for part in ("imagesTr", "labelsTr")
        )
        scan = SimpleNamespace(uid=f"{SERIES_UID}.{len(series)}", modality=modality, folder=folder / modality)
        write_dicom_series(
            scan.folder,
            np.asarray(image.dataobj)[::-1, ::-1].astype(np.int16),
            spacing_mm=tuple(round(float(mm), 3) for mm in image.header.get_zooms()),
            modality=modality,
            series_uid=scan.uid,
            sop_class=sop_class,
        )
        scan.labels = np.asarray(label.dataobj)[::-1, ::-1].astype(np.int16)
        series[modality] = scan
    return series


@pytest.fixture(scope="module")
def archive(scans):
    with DicomWebServer() as server:
        for scan in scans.values():
            for path in scan.folder.iterdir():
                server.add(path.read_bytes())
        yield server


@pytest.fixture(scope="module")
def start(label_python, app, archive, label_variables, tmp_path_factory):
    """A server with a cache of its own in which nothing lies."""

    def new():
        folder = tmp_path_factory.mktemp("label_dicomweb")
        settings = {
            "MONAI_LABEL_DICOMWEB_CACHE_PATH": str(folder / "cache"),
            "MONAI_LABEL_DICOMWEB_SEARCH_FILTER": json.dumps({"Modality": "CT,MR"}),
        }
        server = Server(label_python, app, archive.url, folder / "server.log", {**label_variables, **settings})
        server.cache = folder / "cache"
        return server

    return new


@pytest.fixture(scope="module")
def server(start):
    with start() as started:
        yield started


def fetched(server, scan, folder):
    """The series as the server converts it."""
    path = folder / f"{scan.modality}.nii.gz"
    path.write_bytes(server.request("GET", "/datastore/image", image=scan.uid))
    return nib.load(path)


def draw(scan, image, path):
    """Some of the organs, on the grid of the image, none of them in its lowest and highest slice."""
    labels = np.where(np.isin(scan.labels, DRAWN), scan.labels, 0)
    labels[..., [0, -1]] = 0
    assert list(np.unique(labels)) == [0, *DRAWN]
    nib.save(nib.Nifti1Image(labels, image.affine), path)
    return labels


@pytest.mark.parametrize(("modality", "other"), [("CT", "mr"), ("MR", "ct")])
def test_the_tag_says_ct_or_mr(server, by_monai, scans, modality, other, tmp_path):
    scan = scans[modality]
    assert json.loads(server.request("GET", "/datastore/"))["total"] == 2
    # the run that makes the server fetch a series gets a copy that no DICOM files lie beside
    with pytest.raises(urllib.error.HTTPError):
        server.infer(AMOS.name, scan.uid, tmp_path)
    server.wait_for_line("has its tag when you run it again")
    found = server.infer(AMOS.name, scan.uid, tmp_path)
    image = fetched(server, scan, tmp_path)
    by_monai(AMOS.name, scan.folder, tmp_path / "out")
    check_same(found, nib.load(tmp_path / "out" / f"{modality}.nii.gz"), image)

    with pytest.raises(urllib.error.HTTPError) as refused:
        server.infer(AMOS.name, scan.uid, tmp_path, modality=other)
    assert refused.value.code == 500
    server.wait_for_line(f"{scan.uid}: the modality is given as '{other}', but the DICOM files say '{modality}'")


def test_labels_are_stored_as_dicom_seg_and_trained_on(server, start, by_monai, app, archive, scans, tmp_path):
    scan, model = scans["CT"], app / "model" / AMOS.name / "models" / "model.pt"
    image, first = fetched(server, scan, tmp_path), sha256_of(model)
    drawn = draw(scan, image, tmp_path / "drawn.nii.gz")
    server.put_label(scan.uid, tmp_path / "drawn.nii.gz")

    # voxel by voxel where they were drawn, but with numbers of their own
    (stored,) = archive.series(Modality="SEG")
    assert stored.ReferencedSeriesSequence[0].SeriesInstanceUID == scan.uid
    (content,) = archive.files(stored.SeriesInstanceUID)
    segments = labels_of_segmentation(BytesIO(content), image.affine, drawn.shape)
    np.testing.assert_array_equal(np.array([0, *DRAWN])[segments], drawn)

    server.train(AMOS.name, modality="DICOM tag")
    # what was trained on is what was drawn
    (kept,) = server.cache.rglob(f"labels/final/{scan.uid}.*")
    np.testing.assert_array_equal(np.asarray(nib.load(kept).dataobj), drawn)
    np.testing.assert_allclose(nib.load(kept).affine, image.affine)
    second = sha256_of(model)
    assert second != first
    again = server.infer(AMOS.name, scan.uid, tmp_path)
    by_monai(AMOS.name, scan.folder, tmp_path / "again")
    check_same(again, nib.load(tmp_path / "again" / "CT.nii.gz"), image)

    # a server that has the SEG alone knows the organs no more, until their labels are submitted to it
    with start() as other:
        # the next sample is fetched before anybody runs it
        sample = json.loads(other.request("POST", "/activelearning/first", body={}))
        assert sample["id"] == scans["MR"].uid
        assert np.asarray(other.infer(AMOS.name, sample["id"], tmp_path).dataobj).any()
        with pytest.raises(urllib.error.HTTPError):
            other.train(AMOS.name, modality="DICOM tag")
        other.wait_for_line(f"{scan.uid}.nrrd: converted from a DICOM SEG")
        assert sha256_of(model) == second
        other.put_label(scan.uid, tmp_path / "drawn.nii.gz")
        other.train(AMOS.name, modality="DICOM tag")
        assert sha256_of(model) != second
