"""What the report says of two folders."""

from meddino_components.evaluation.folders.named_labels import NamedLabels
from meddino_components.evaluation.folders.scored_folders import ScoredFolders
from meddino_components.evaluation.folders.structures import Side, Structures
from meddino_components.evaluation.folders.volumes import Pairs


def test_where_names_are_from_and_what_was_left_out():
    notes = []
    facts = ScoredFolders(
        predictions=Side(folder="/p", labels=NamedLabels(names={1: "a"}, source="typed"), names=["a"]),
        references=Side(folder="/r", labels=None, names=["a", "b", "c"]),
        structures=Structures(names=["a"], predicted_as=["a"], only_in_references=["b", "c"]),
        pairs=Pairs(volumes={}, without_prediction=["case_2"]),
        rename={"A": "a"},
        notes=notes,
    )
    notes.append("2 voxels")
    assert facts.settings() == {
        "predictions": "/p",
        "references": "/r",
        "names_of_predictions": "typed",
        "names_of_references": "the names of the masks",
        "rename": {"A": "a"},
        "structures_only_in_references": "2 structures: b, c",
        "cases_without_prediction": "1 case: case_2",
        "notes": "2 voxels",
    }
    assert facts.weights_sha256 is None
