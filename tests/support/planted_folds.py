"""Folds whose commands take moments: they write the files that a training and an evaluation write."""

import json
import sys
from itertools import pairwise

from organ_scores import INF, NAN

from meddino_components.cross_validation.fold import Fold
from meddino_components.cross_validation.pooled import FoldScores
from meddino_components.evaluation import OrganScore
from meddino_components.evaluation.case_scores_file import write_scores
from meddino_components.files import ResultFiles, write_text

METRICS = ["dice", "surface_dice_1mm", "hd95_mm"]
# a step each time it is called, and a checkpoint; the third step ends the training
TRAINING = """
import json, os, pathlib, sys, time
log, resumed = pathlib.Path("log.jsonl"), "--resume=True" in sys.argv
first = len(log.read_text().splitlines()) + 1 if resumed else 1
print("resumed" if resumed else "new", os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
for step in range(first, 4):
    with log.open("a" if step > 1 else "w") as file:
        file.write(json.dumps({"iteration": step, "time": time.time()}) + chr(10))
    pathlib.Path("checkpoint.pt").touch()
    time.sleep(PAUSE)
if FAILS:
    sys.exit("error: no such data")
pathlib.Path("model.pt").touch()
"""


def planted_fold(folder, number=0, *, pause=0.0, fails=False, evaluates=True):
    """A fold whose training has three steps, and whose evaluation is written already unless ``evaluates`` is false."""
    place = folder / f"fold_{number}"
    place.mkdir(parents=True, exist_ok=True)
    training = f"import os; os.chdir({str(place)!r}); PAUSE, FAILS = {pause}, {fails}\n{TRAINING}"
    fold = Fold(
        number=number,
        folder=place,
        training=(sys.executable, "-c", training),
        evaluation=(sys.executable, "-c", "import sys; print(sys.argv[1:])"),
        directory=folder,
    )
    if evaluates and not fold.scores.exists():
        write_evaluation(fold, [])
    return fold


def write_evaluation(fold, scores, organs=("liver",)):
    """Write what an evaluation with these scores writes."""
    fold.scores.parent.mkdir(parents=True, exist_ok=True)
    write_scores(fold.scores, scores, METRICS)
    with ResultFiles() as files:
        write_text(files.path(fold.summary), json.dumps(document(organs)))


def document(organs, **settings):
    """The parts of ``metrics.json`` that the report on all folds reads."""
    shared = {
        "axcodes": "PLS",
        "cases_that_count": "every case",
        "absent_from_reference": "the case does not count",
        "missed": "Dice 0",
    }
    return {
        "organs": {organ: {} for organ in organs},
        "settings": {**shared, "network": "end of its training, after epoch 2", **settings},
        "model_sha256": "ab" * 32,
        "record_id": "cd" * 32,
        "network": {"kept": "last", "epoch": 2},
    }


def score(case_id, organ, dice, hd95_mm=3.0):
    """Scores of one organ; a Dice of NaN: the case lacks the organ."""
    values = {"dice": dice, "surface_dice_1mm": dice, "hd95_mm": NAN if dice != dice else INF if dice == 0 else hd95_mm}
    return OrganScore(case_id, organ, values, 0.0 if dice != dice else 10.0, 9.0)


def fold_scores(number, dice, patients=None, **settings):
    """Scores of a fold; ``dice`` is {case: {organ: Dice}}."""
    organs = list(next(iter(dice.values())))
    return FoldScores(
        number=number,
        patients=patients or {case: case for case in dice},
        scores=[score(case, organ, value) for case, of_case in dice.items() for organ, value in of_case.items()],
        document=document(organs, **settings),
    )


def ran_together(folds):
    """Whether at least two folds were trained at the same time."""
    lines = [[json.loads(line)["time"] for line in fold.log.read_text().splitlines()] for fold in folds]
    spans = sorted((times[0], times[-1]) for times in lines)
    return any(following[0] < earlier[1] for earlier, following in pairwise(spans))
