import json

from planted_folds import planted_fold

from meddino_components.cross_validation.fold import finish_fold
from meddino_components.cross_validation.progress import AllFoldsProgress, last_iteration


def test_last_iteration(tmp_path):
    log = tmp_path / "log.jsonl"
    assert last_iteration(log) == 0
    log.write_text("".join(json.dumps({"iteration": number, "loss": 0.5}) + "\n" for number in range(1, 200)))
    assert last_iteration(log) == 199
    with log.open("a") as file:
        file.write('{"iteration": 2')  # being written
    assert last_iteration(log, tail=100) == 199
    log.write_text("no JSON")
    assert last_iteration(log) == 0


def test_the_bar_counts_the_steps_of_all_folds(tmp_path, capsys):
    folds = [planted_fold(tmp_path, number) for number in range(2)]
    finish_fold(folds[0], {})
    # stopped early: its training counts as whole all the same
    bar = AllFoldsProgress(folds, 10, enabled=True)
    folds[1].log.write_text('{"iteration": 4}\n')
    bar.watch({1: "training"})
    bar.say("fold 0 is finished")
    bar.close()
    shown = capsys.readouterr().err
    assert "10/20" in shown
    assert "14/20" in shown
    assert "fold 1 training" in shown
    assert "fold 0 is finished" in shown


def test_without_a_bar_nothing_is_said(tmp_path, capsys):
    bar = AllFoldsProgress([planted_fold(tmp_path)], 10, enabled=False)
    bar.watch({0: "training"})
    bar.say("fold 0 is finished")
    bar.close()
    assert capsys.readouterr().err == ""
