"""The handler on a small run of CaseEvaluator: files, numbers, pictures."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from brats_volumes import brain, labels_of
from ignite.engine import Events
from matplotlib.image import imread
from monai.data import Dataset, MetaTensor
from monai.transforms import Compose, Invertd, Orientationd

from meddino_components.data import CheckSameGridd, LoadVolumed, brats_regions
from meddino_components.errors import InputError
from meddino_components.evaluation import ComparisonPictures, EvaluatedModel, SegmentationReport
from meddino_components.inference import CaseEvaluator, WriteCased

NAMES = ("background", "liver <left>", "spleen")
KEYS = ("image", "label")
REGIONS = brats_regions("brats2021")


class Thresholds:
    """An inferer that rounds intensities to labels."""

    def __call__(self, inputs: torch.Tensor, network: Any) -> torch.Tensor:
        return inputs.round().to(torch.uint8)


def save_case(folder: Path, case_id: str, shift: int, axes: str = "RAS") -> dict[str, str]:
    """A liver of which the image shows the copy moved by ``shift`` voxels of 2 mm; a spleen that fits."""
    label = np.zeros((24, 20, 10), np.float32)
    label[4:14, 3:13, 2:8] = 1
    label[17:20, 10:16, 3:6] = 2
    image = np.where(label == 1, 0, label)
    image[4 + shift : 14 + shift, 3:13, 2:8][image[4 + shift : 14 + shift, 3:13, 2:8] == 0] = 1
    case = {"case_id": case_id}
    folder.mkdir(exist_ok=True)
    for key, volume in (("image", image), ("label", label)):
        nifti = nib.Nifti1Image(volume, np.diag([2.0, 2.0, 3.0, 1.0]))
        order = nib.orientations.ornt_transform(nib.io_orientation(nifti.affine), nib.orientations.axcodes2ornt(axes))
        case[key] = str(folder / f"{case_id}_{key}.nii.gz")
        nib.save(nifti.as_reoriented(order), case[key])
    return case


def evaluator(
    cases: list[dict[str, str]], out: Path, *, invert: bool = False, axcodes: str = "PLS", **extra: Any
) -> CaseEvaluator:
    before = Compose([LoadVolumed(KEYS), CheckSameGridd(KEYS), Orientationd(KEYS, axcodes=axcodes, labels=None)])
    inverse = [Invertd("pred", before, "image", nearest_interp=True)] if invert else []
    writes = WriteCased(output_dir=out, label_names=NAMES, overlay=False)
    report = SegmentationReport(
        output_dir=out, label_names=NAMES, title="A & B", pictures=ComparisonPictures(n_pictures=1)
    )
    settings: dict[str, Any] = {"val_handlers": [report]}
    return CaseEvaluator(
        device="cpu",
        dataset=Dataset(cases, before),
        network=torch.nn.Identity(),
        inferer=Thresholds(),
        output_dir=out,
        postprocessing=Compose(inverse),
        writer=writes,
        **(settings | extra),
    )


class Page(HTMLParser):
    """Elements open at the end, and what images and links point to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_run(tmp_path: Path) -> None:
    cases = [
        save_case(tmp_path / "in", f"c{shift}", shift, axes) for shift, axes in ((0, "RAS"), (2, "LIP"), (3, "SPL"))
    ]
    out = tmp_path / "out"
    engine = evaluator(cases, out)
    logged = {}
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda e: logged.update(e.state.metrics))
    engine.run()
    document = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert document["cases"] == {"scored": 3, "failed": 0, "unscored": 0}
    liver = document["organs"]["liver <left>"]
    assert liver["dice"] == {"mean": pytest.approx((1 + 0.8 + 0.7) / 3), "median": pytest.approx(0.8), "n": 3}
    assert liver["hd95_mm"]["median"] == pytest.approx(4.0)  # two voxels of 2 mm
    assert liver["reference_ml"] == pytest.approx(600 * 12 / 1000)
    assert document["mean_dice"] == pytest.approx((2.5 / 3 + 1) / 2)
    assert logged == {k: pytest.approx(document[k]) for k in ("mean_dice", "mean_surface_dice_1mm", "mean_hd95_mm")}
    assert str(tmp_path) not in (out / "metrics.json").read_text(encoding="utf-8") + (out / "report.html").read_text(
        encoding="utf-8"
    )
    rows = (out / "metrics.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + 3 * 2
    assert rows[1].startswith("c0,liver <left>,1,1,0,7.2,7.2")
    assert not [p for p in out.rglob("*") if ".partial" in p.name]


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (
            {"kept": "best", "val_mean_dice": 0.8125, "epoch": 50},
            "best validation of its training (val_mean_dice 0.8125)",
        ),
        ({"kept": "last", "epoch": 1000}, "end of its training, after epoch 1000"),
        (None, "the weights do not say"),
    ],
)
def test_says_which_network_was_scored_and_how_labels_were_made(
    tmp_path: Path, network: dict[str, Any] | None, words: str
) -> None:
    out, inference = tmp_path / "out", {"_desc_": "why", "mirror_axes": [0, 1], "resampling": "cubic"}
    model = EvaluatedModel(selection=network, inference=inference)
    report = SegmentationReport(output_dir=out, label_names=NAMES, model=model)
    evaluator([save_case(tmp_path / "in", "c0", 0)], out, val_handlers=[report]).run()
    document = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert document["network"] == network
    assert words in document["settings"]["network"]
    assert (document["settings"]["mirror_axes"], document["settings"]["resampling"]) == ([0, 1], "cubic")
    assert "_desc_" not in document["settings"]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert words in page
    assert "cubic" in page


def test_the_page_is_whole_and_self_contained(tmp_path: Path) -> None:
    cases = [save_case(tmp_path / "in", f"c{shift}", shift) for shift in (0, 2, 3)]
    evaluator(cases, tmp_path / "out").run()
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert "A &amp; B" in text
    assert "liver &lt;left&gt;" in text
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    pictures = [imread(io.BytesIO(base64.b64decode(source.split(",")[1]))) for source in page.sources]
    assert len(pictures) == 4 + 2  # a plot per metric and that of volumes, the worst and the median case
    assert all(picture.std() > 0.05 for picture in pictures)
    assert re.findall(r"<h3>(\S+): Dice (\S+) \((\w+)\)", text) == [("c3", "0.850", "worst"), ("c2", "0.900", "median")]


def test_an_inverted_prediction_gives_the_same_scores(tmp_path: Path) -> None:
    cases = [save_case(tmp_path / "in", "a", 2, "LIP")]
    for invert in (False, True):
        evaluator(cases, tmp_path / str(invert), invert=invert).run()
    assert (tmp_path / "True/metrics.csv").read_text(encoding="utf-8") == (tmp_path / "False/metrics.csv").read_text(
        encoding="utf-8"
    )


def test_a_case_that_cannot_be_scored_fails_and_the_others_go_on(tmp_path: Path) -> None:
    cases = [save_case(tmp_path / "in", name, 1) for name in "abc"]
    label = nib.load(cases[1]["label"])
    nib.save(nib.Nifti1Image(np.asarray(label.dataobj) * 4, label.affine), cases[1]["label"])
    engine = evaluator(cases, tmp_path / "out")
    engine.run()
    assert [c.status for c in engine.summary.cases] == ["ok", "failed", "ok"]
    assert "case b: reference holds labels 0..8" in engine.summary.cases[1].error
    assert json.loads((tmp_path / "out/metrics.json").read_text(encoding="utf-8"))["cases"] == {
        "scored": 2,
        "failed": 1,
        "unscored": 0,
    }
    assert "Failed: 1 (see summary.csv)" in (tmp_path / "out/report.html").read_text(encoding="utf-8")


def test_without_label(tmp_path: Path) -> None:
    case = save_case(tmp_path / "in", "a", 1)
    before = Compose([LoadVolumed("image"), Orientationd("image", axcodes="PLS", labels=None)])
    engine = evaluator([case], tmp_path / "out")
    engine.dataset = Dataset([{k: case[k] for k in ("image", "case_id")}], before)
    engine.run()
    assert "case a: has no label" in engine.summary.cases[0].error
    assert json.loads((tmp_path / "out/metrics.json").read_text(encoding="utf-8"))["mean_dice"] is None


def test_a_killed_run_keeps_its_rows_and_is_taken_up(tmp_path: Path) -> None:
    cases = [save_case(tmp_path / "in", name, shift) for shift, name in enumerate("abc")]
    out = tmp_path / "out"
    engine = evaluator(cases, out)

    def stop(engine: CaseEvaluator) -> None:
        if engine.state.iteration == 2:
            raise KeyboardInterrupt

    engine.add_event_handler(Events.ITERATION_COMPLETED, stop)
    with pytest.raises(KeyboardInterrupt):
        engine.run()
    assert {row.split(",")[0] for row in (out / "metrics.csv").read_text(encoding="utf-8").splitlines()[1:]} == {
        "a",
        "b",
    }
    assert not (out / "report.html").exists()
    again = evaluator(cases, out, skip_existing=True)
    again.run()
    assert again.summary.count("skipped") == 2
    evaluator(cases, tmp_path / "whole").run()
    assert (out / "metrics.csv").read_text(encoding="utf-8") == (tmp_path / "whole/metrics.csv").read_text(
        encoding="utf-8"
    )
    # scores lost, label maps there: said, not hidden
    (out / "metrics.csv").unlink()
    evaluator(cases, out, skip_existing=True).run()
    assert json.loads((out / "metrics.json").read_text(encoding="utf-8"))["cases"] == {
        "scored": 0,
        "failed": 0,
        "unscored": 3,
    }


@pytest.mark.parametrize(
    ("axcodes", "size", "aspect", "sides"),
    [
        # mm of a row by those of a column; the liver's rows x columns: 10 to the right and front, 6 upwards
        ("PLS", (10, 10), 1.0, ("R", "L")),
        ("ILP", (6, 10), 1.5, ("R", "L")),
        ("IPL", (6, 10), 1.5, ("A", "P")),
    ],
)
def test_pictures_lie_as_the_slices_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, axcodes: str, size: tuple[int, int], aspect: float,
    sides: tuple[str, str],
) -> None:  # fmt: skip
    """The liver lies to the left, back and bottom; with its copy two voxels further to the right."""
    tiles = []

    def note(axes: Any, image: Any, labels: Any, window: Any, ratio: float, text: str, *rest: Any) -> None:
        tiles.append((labels, ratio, text, rest[-1]))

    monkeypatch.setattr("meddino_components.pictures.overlay.draw_slice", note)
    case = save_case(tmp_path / "in", "a", 2, "LIP")
    evaluator([case], tmp_path / "out", axcodes=axcodes).run()
    evaluator([case], tmp_path / "axial").run()
    scores = [(tmp_path / name / "metrics.csv").read_text(encoding="utf-8") for name in ("out", "axial")]
    assert scores[0] == scores[1]
    tiles = tiles[: len(tiles) // 2]
    plane, cut = {"PLS": ("axial", "coronal"), "ILP": ("coronal", "axial"), "IPL": ("sagittal", "axial")}[axcodes]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert f"Each shows {plane} slices and one {cut} cut" in page
    slices = [tile for tile in tiles if cut not in tile[2]]
    across = [tile for tile in tiles if cut in tile[2]]
    assert {(ratio, letters) for _, ratio, _, letters in slices} == {(aspect, sides)}
    liver = max((labels == 1 for labels, *_ in slices), key=np.count_nonzero)
    rows, columns = np.flatnonzero(liver.any(axis=1)), np.flatnonzero(liver.any(axis=0))
    assert (rows.size, columns.size) == size
    # the spleen lies in front of the middle and to the right, so the liver is right of and below it
    spleen = np.argwhere(np.any([labels == 2 for labels, *_ in slices], axis=0))
    assert spleen[:, 1].mean() < columns.mean()
    if axcodes == "PLS":
        assert spleen[:, 0].mean() < rows.mean()
    # of both lines; the reference's liver lies left of the predicted one: to the right of it on the page
    reference, prediction = (np.argwhere(labels == 1)[:, 1] for labels, *_ in across)
    assert {letters for *_, letters in across} == {("R", "L")}
    assert prediction.mean() - reference.mean() == pytest.approx(-2)


def test_other_orientation_is_refused(tmp_path: Path) -> None:
    engine = evaluator([save_case(tmp_path / "in", "a", 1)], tmp_path / "out")
    engine.dataset.transform = LoadVolumed(KEYS)
    engine.run()
    assert "orientation RAS; expected PLS" in engine.summary.cases[0].error


@pytest.mark.parametrize("names", [["background"], ["background", "liver", "liver"]])
def test_names(names: list[str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="label_names"):
        SegmentationReport(output_dir=tmp_path, label_names=names)


class Given:
    """An inferer that knows the answer."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = labels

    def __call__(self, inputs: torch.Tensor, network: object) -> torch.Tensor:
        return MetaTensor(torch.from_numpy(self.labels)[None, None]).copy_meta_from(inputs)


def test_a_report_of_regions(tmp_path: Path) -> None:
    images, tissues = brain(1, (30, 28, 6))
    affine = torch.tensor([[0, -2.0, 0, 0], [-2.0, 0, 0, 0], [0, 0, 5.0, 0], [0, 0, 0, 1]])
    channels = np.stack(list(images.values())).astype(np.float32)
    labels = labels_of(tissues)
    case = {
        "image": MetaTensor(torch.from_numpy(channels), affine=affine),
        "label": MetaTensor(torch.from_numpy(labels)[None], affine=affine),
        "case_id": "a",
    }
    without = np.where(labels == 4, 1, labels)
    pictures = ComparisonPictures(channel_names=list(images), shown_channels=["t1ce", "flair"], background=0.0)
    report = SegmentationReport(output_dir=tmp_path, label_names={}, regions=REGIONS, pictures=pictures)
    CaseEvaluator(
        device="cpu",
        dataset=Dataset([case]),
        network=torch.nn.Identity(),
        inferer=Given(without),
        output_dir=tmp_path,
        val_handlers=[report],
    ).run()
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert {name: organ["dice"]["mean"] for name, organ in metrics["organs"].items()} == {
        "whole tumour": 1.0,
        "tumour core": 1.0,
        "enhancing tumour": 0.0,
    }
    assert metrics["settings"]["regions"] == {
        name: list(m) for name, m in zip(REGIONS.names, REGIONS.members, strict=True)
    }
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "What counts for a structure: every case." in page
    assert "373.13" in page
    assert (tmp_path / "comparisons" / "a.png").stat().st_size > 10_000


def test_organs_that_were_not_annotated_have_no_rows_and_are_counted(tmp_path: Path) -> None:
    cases = [save_case(tmp_path / "in", f"c{shift}", shift) for shift in (0, 2)]
    mask = torch.tensor([True, True, False])
    out = tmp_path / "out"
    evaluator([cases[0], {**cases[1], "annotated": mask}], out).run()
    rows = (out / "metrics.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[:2] for row in rows[1:]] == [
        ["c0", "liver <left>"],
        ["c0", "spleen"],
        ["c2", "liver <left>"],
    ]
    organs = json.loads((out / "metrics.json").read_text(encoding="utf-8"))["organs"]
    assert [(organ["n_annotated"], organ["n"]) for organ in organs.values()] == [(2, 2), (1, 1)]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<th>annotated in</th><th>cases</th>" in page
    assert "<tr><td>spleen</td><td>1</td><td>1</td>" in page
    whole = tmp_path / "whole"
    evaluator(cases, whole).run()
    assert "annotated in" not in (whole / "report.html").read_text(encoding="utf-8")
