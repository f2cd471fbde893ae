"""Names of MedMNIST's classes, as many as published."""

from meddino_components.data.image_sets.medmnist_labels import MEDMNIST_LABELS


def test_names_of_the_official_sets():
    classes = {name: len(labels) for name, labels in MEDMNIST_LABELS.items()}
    assert classes == {
        "pathmnist": 9, "chestmnist": 14, "dermamnist": 7, "octmnist": 4, "pneumoniamnist": 2, "retinamnist": 5,
        "breastmnist": 2, "bloodmnist": 8, "tissuemnist": 8, "organamnist": 11, "organcmnist": 11, "organsmnist": 11,
        "organmnist3d": 11, "nodulemnist3d": 2, "adrenalmnist3d": 2, "fracturemnist3d": 3, "vesselmnist3d": 2,
        "synapsemnist3d": 2,
    }  # fmt: skip
    assert all(len(set(labels)) == len(labels) for labels in MEDMNIST_LABELS.values())
    # the same organs in another order
    assert set(MEDMNIST_LABELS["organmnist3d"]) == set(MEDMNIST_LABELS["organamnist"])
