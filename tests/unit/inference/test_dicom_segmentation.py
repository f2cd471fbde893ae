"""DICOM SEG read back by pydicom and highdicom: every voxel where the series has it, and codes that others know."""

import json
import os
import shutil
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from inference_support import evaluator
from volume_files import PATIENT, ct_voxels, write_dicom_series

from meddino_components.data import AMOS_LABELS, list_cases
from meddino_components.data.volumes.dicom import read_series
from meddino_components.errors import InputError
from meddino_components.inference.dicom_segmentation import write_dicom_segmentation
from meddino_components.inference.segment_codes import codes_of

hd = pytest.importorskip("highdicom")
pydicom = pytest.importorskip("pydicom")

CT = ct_voxels()
CODES = codes_of(AMOS_LABELS)


def blocks(shape, labels=range(1, 16)):
    """Labels in places that no flip or swap maps onto each other; some are nowhere."""
    rng, volume = np.random.default_rng(0), np.zeros(shape, np.uint8)
    for label in labels:
        if label % 5:
            corner = [int(rng.integers(0, n)) for n in shape]
            volume[tuple(slice(c, c + max(2, n // 6)) for c, n in zip(corner, shape, strict=True))] = label
    return volume


def write(path, volume, labels, names=AMOS_LABELS, codes=CODES):
    write_dicom_segmentation(
        path,
        labels=labels,
        affine=volume.affine,
        source_files=volume.series.files,
        label_names=names,
        codes=codes,
        resampled=volume.resampled,
        model_sha256="ab" * 32,
    )
    return path


def check_by_positions(path, volume, labels):
    """Plain pydicom: each frame's own position, in the millimetres of the volume."""
    stored = pydicom.dcmread(path)
    shared = stored.SharedFunctionalGroupsSequence[0]
    orientation = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float).reshape(2, 3)
    lps = np.diag([-1, -1, 1, 1]) @ volume.affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    np.testing.assert_allclose(orientation.T, lps[:3, :2] / spacing[:2], atol=1e-6)
    np.testing.assert_allclose(shared.PixelMeasuresSequence[0].PixelSpacing, spacing[1::-1], atol=1e-6)
    found = np.zeros_like(labels)
    frames = stored.pixel_array.reshape(-1, stored.Rows, stored.Columns)
    for frame, groups in zip(frames, stored.PerFrameFunctionalGroupsSequence, strict=True):
        position = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
        i, j, k = np.linalg.solve(lps[:3, :3], position - lps[:3, 3])
        np.testing.assert_allclose([i, j, k], [0, 0, round(k)], atol=2e-3)
        found[:, :, round(k)][frame.T > 0] = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
    np.testing.assert_array_equal(found, labels)
    return stored


def check_by_source(path, volume, labels):
    """highdicom: the pixels that belong to each file of the series."""
    uids = [pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID for file in volume.series.files]
    segmentation = hd.seg.segread(path)
    found = segmentation.get_pixels_by_source_instance(
        uids, combine_segments=True, assert_missing_frames_are_empty=True
    )
    np.testing.assert_array_equal(found.transpose(2, 1, 0), labels)


def test_every_voxel_comes_back_at_its_place(tmp_path):
    volume, labels = read_series(write_dicom_series(tmp_path / "s", CT)), blocks(CT.shape)
    path = write(tmp_path / "o.dcm", volume, labels)
    stored = check_by_positions(path, volume, labels)
    check_by_source(path, volume, labels)
    assert (str(stored.PatientName), stored.PatientID) == (PATIENT["name"], PATIENT["id"])
    source = pydicom.dcmread(volume.series.files[0])
    assert stored.StudyInstanceUID == source.StudyInstanceUID
    assert stored.FrameOfReferenceUID == source.FrameOfReferenceUID
    assert stored.ReferencedSeriesSequence[0].SeriesInstanceUID == volume.series.uid
    assert stored.SeriesInstanceUID != volume.series.uid
    segment = stored.SegmentSequence[1]
    kind = segment.SegmentedPropertyTypeCodeSequence[0]
    assert (segment.SegmentNumber, segment.SegmentLabel) == (2, "right kidney")
    assert (segment.SegmentAlgorithmType, segment.SegmentAlgorithmName) == ("AUTOMATIC", "MedDINOv3")
    assert (kind.CodeValue, kind.CodingSchemeDesignator) == ("64033007", "SCT")
    assert kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Right"
    assert "ab" * 32 in segment.SegmentationAlgorithmIdentificationSequence[0].AlgorithmParameters
    again = pydicom.dcmread(write(tmp_path / "p.dcm", volume, labels))
    assert again.PixelData == stored.PixelData
    assert {e.keyword for e in stored if e.keyword in again and again[e.keyword] != e} <= {
        *("SOPInstanceUID", "SeriesInstanceUID", "InstanceCreationDate", "InstanceCreationTime"),
        *("ContentDate", "ContentTime", "SeriesDate", "SeriesTime", "DimensionOrganizationSequence"),
        *("DimensionIndexSequence", "ContributingEquipmentSequence"),  # highdicom notes its time in the last
    }


def test_labels_with_gaps_and_an_empty_one(tmp_path):
    volume = read_series(write_dicom_series(tmp_path / "s", CT, modality="MR", slope=None))
    names = {0: "background", 1: "necrotic core", 2: "oedema", 4: "enhancing tumour"}
    labels = blocks(CT.shape, (1, 2, 4))
    stored = pydicom.dcmread(write(tmp_path / "o.dcm", volume, labels, names, codes_of(names)))
    assert [s.SegmentLabel for s in stored.SegmentSequence] == ["necrotic core", "oedema", "enhancing tumour"]
    assert [s.SegmentNumber for s in stored.SegmentSequence] == [1, 2, 3]
    number = stored.PerFrameFunctionalGroupsSequence[-1].SegmentIdentificationSequence[0].ReferencedSegmentNumber
    assert number == 3
    write(tmp_path / "e.dcm", volume, np.zeros_like(labels))
    assert not pydicom.dcmread(tmp_path / "e.dcm").pixel_array.any()
    with pytest.raises(InputError, match="labels without a code"):
        write(tmp_path / "f.dcm", volume, labels * 30)


def test_a_resampled_series_has_a_grid_of_its_own(tmp_path):
    folder = write_dicom_series(tmp_path / "s", CT, tilt=1.0)
    volume = read_series(folder, gantry_tilt="resample")
    labels = blocks(volume.voxels.shape)
    stored = check_by_positions(write(tmp_path / "o.dcm", volume, labels), volume, labels)
    assert stored.ReferencedSeriesSequence[0].SeriesInstanceUID == volume.series.uid


def test_a_changed_series_and_broken_headers_are_refused_without_their_values(tmp_path):
    volume, labels = read_series(write_dicom_series(tmp_path / "s", CT)), blocks(CT.shape)
    write_dicom_series(tmp_path / "s", CT, spacing_mm=(0.7, 0.9, 4.1))
    with pytest.raises(InputError, match="have changed since"):
        write(tmp_path / "o.dcm", volume, labels)
    source = pydicom.dcmread(volume.series.files[0])
    del source.FrameOfReferenceUID
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source.StudyDate = PATIENT["name"]  # no date
    source.save_as(volume.series.files[0])
    write_dicom_series(tmp_path / "s", CT, skip={0})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match="cannot create a DICOM SEG") as error:
            write(tmp_path / "o.dcm", volume, labels)
    assert not any(value in str(error.value) for value in PATIENT.values())
    assert error.value.__suppress_context__


@pytest.mark.parametrize("invert", [True, False])
def test_the_writer_puts_it_beside_the_nifti_and_nothing_of_the_patient_elsewhere(tmp_path, invert, caplog, capfd):
    levels = np.where(CT > -500, 1, 0) + np.where(CT > 100, 1, 0)
    folder = write_dicom_series(tmp_path / "in" / "s", levels.astype(np.int16))
    cases, out = list_cases(tmp_path / "in"), tmp_path / "out"
    settings = {"writer": {"overlay": True, "dicom_seg": True}, "invert": invert}
    engine = evaluator(cases, out, **settings)
    caplog.set_level("DEBUG")
    engine.run()
    assert engine.summary.count("ok") == 1, engine.summary.text()
    assert sorted(p.name for p in out.glob("s.*")) == ["s.dcm", "s.json", "s.nii.gz", "s.png"]
    labels = np.asarray(nib.load(out / "s.nii.gz").dataobj)
    np.testing.assert_array_equal(labels, levels)
    volume = read_series(folder)
    check_by_positions(out / "s.dcm", volume, labels)
    check_by_source(out / "s.dcm", volume, labels)
    nifti = nib.load(out / "s.nii.gz")
    printed = capfd.readouterr()
    texts = [(out / name).read_bytes() for name in ("s.json", "s.png", "summary.json", "summary.csv")]
    texts += [nifti.header.binaryblock, (caplog.text + printed.out + printed.err).encode()]
    for value in (*PATIENT.values(), *PATIENT["name"].split("^")):
        assert not any(value.encode(coding) in text for text in texts for coding in ("utf-8", "latin-1"))
    # a case without its SEG is not complete
    again = evaluator(cases, out, skip_existing=True, **settings)
    again.run()
    assert again.summary.count("skipped") == 1
    (out / "s.dcm").unlink()
    again.run()
    assert again.summary.count("ok") == 1
    assert json.loads((out / "s.json").read_text(encoding="utf-8"))["organs"]["liver"]["voxels"] == (levels == 1).sum()


@pytest.fixture
def real():
    if "MEDDINO_DATA" not in os.environ:
        pytest.skip("MEDDINO_DATA is not set: no folder with real data")
    return Path(os.environ["MEDDINO_DATA"])


@pytest.mark.parametrize("name", ["dcmqi/segmentations/ct-3slice", "picai_prostatex0000_t2tra/4.000000-t2tsetra-00702"])
def test_real_series(real, tmp_path, name):
    volume = read_series(real / name)
    labels = blocks(volume.voxels.shape)
    path = write(tmp_path / "o.dcm", volume, labels)
    check_by_positions(path, volume, labels)
    check_by_source(path, volume, labels)


def test_real_series_with_gantry_tilt(real, tmp_path):
    for number in range(1, 15):
        shutil.copy(real / "dcm_qa_ct_ge" / "In" / "GE" / f"{number:02d}.dcm", tmp_path)
    volume = read_series(tmp_path, gantry_tilt="resample")
    labels = blocks(volume.voxels.shape)
    check_by_positions(write(tmp_path / "o.dcm", volume, labels), volume, labels)


def test_a_segmentation_by_dcmqi_lies_where_the_volume_has_it(real):
    """Its frames' positions are voxels of the series as read here, and its NRRD twin holds the same voxels."""
    folder = real / "dcmqi" / "segmentations"
    volume = read_series(folder / "ct-3slice")
    stored = hd.seg.segread(folder / "liver.dcm")
    labels = stored.get_volume(combine_segments=True)
    lps = np.diag([-1, -1, 1, 1]) @ volume.affine
    to_voxels = np.linalg.inv(lps) @ labels.affine
    corner = to_voxels @ [0, 0, 0, 1]
    np.testing.assert_allclose(corner, np.rint(corner), atol=1e-3)
    np.testing.assert_allclose(np.abs(to_voxels[:3, [2, 1, 0]]), np.eye(3), atol=1e-4)
