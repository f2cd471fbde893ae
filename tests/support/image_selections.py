"""Images as a selection of a labelled set, and an encoder that says what it was asked."""

from meddino_components.data.image_sets import Sample, Selection
from meddino_components.embeddings import FrozenEncoder, pixel_encoder

SIZE = 16


class Counting:
    """An encoder without network that says what it was asked."""

    def __init__(self, **settings):
        encode = pixel_encoder(patch_size=8)
        self.batches = []

        def counted(images):
            self.batches.append(len(images))
            return encode(images)

        settings = {"name": "pixels", "patch_size": 8, "digest": "d", "intensity": "picture", **settings}
        self.frozen = FrozenEncoder(encode=counted, **settings)


def selection(images, modality="picture", dimensions=2, indices=None):
    members = tuple(
        Sample(
            sample_id=f"s{k}",
            image=str(image),
            index=None if indices is None else indices[k],
            patient=f"p{k}",
            split="train",
            labels=(0,),
        )
        for k, image in enumerate(images)
    )
    return Selection(
        name="set",
        samples=members,
        label_names=("a", "b"),
        multi_label=False,
        dimensions=dimensions,
        modality=modality,
    )
