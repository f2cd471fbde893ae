"""A probe on features in memory."""

from meddino_components.probing import LabelledFeatures


def scored(probe, training, labels, test, *, n_classes, metric="cosine"):
    """The probe's scores of the test features."""
    vectors = {"train": training, "test": test}
    features = LabelledFeatures(vectors=vectors, targets={"train": labels}, n_classes=n_classes, metric=metric)
    return probe.score(features).scores
