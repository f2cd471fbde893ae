"""What a decoder's result is found by."""

from dataclasses import replace

from planted_cases import PATCH, planted_case

from meddino_components.embeddings import raw_pixels
from meddino_components.probing.segmentation import DecoderTraining, LinearDecoder, PlaneDecoder, cells
from meddino_components.probing.segmentation.cells import DecoderCell


def test_images_that_are_prepared_otherwise_make_another_result(tmp_path, monkeypatch):
    cell = DecoderCell(
        place=tmp_path / "cell",
        encoder=raw_pixels(patch_size=PATCH),
        decoder=LinearDecoder(),
        train=[planted_case(0)],
        test=[planted_case(1)],
        label_names=["background", "a", "b"],
        training=DecoderTraining(iterations=1),
    )
    assert cell.finished() is None
    result = cell.compute(lambda loss: None)
    assert cell.finished() == result
    assert replace(cell, decoder=PlaneDecoder(name="linear")).finished() is None
    monkeypatch.setattr(cells, "PREPARATION", cells.PREPARATION + 1)
    assert cell.finished() is None
