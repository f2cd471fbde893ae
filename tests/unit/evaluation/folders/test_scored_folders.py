"""What the report says of two folders."""

from pathlib import Path

from meddino_components.evaluation.folders.scored_folders import ScoredFolders
from meddino_components.evaluation.folders.structures import Structures


def test_folders_and_what_only_one_has():
    structures = Structures(
        names=["a"], predicted_as=["a"], regions=None, only_in_references=["b", "c"], only_in_predictions=[]
    )
    facts = ScoredFolders(predictions=Path("p"), references=Path("r"), structures=structures)
    assert facts.settings() == {"predictions": "p", "references": "r", "only_in_references": "b, c"}
    assert facts.weights_sha256 is None
