import pytest
from planted_folds import planted_fold, score, write_evaluation

from meddino_components.cross_validation.fold import RunningFold, finish_fold
from meddino_components.errors import InputError


def test_a_new_fold_is_trained_then_evaluated_and_never_again(tmp_path):
    fold = planted_fold(tmp_path)
    finish_fold(fold, {"CUDA_VISIBLE_DEVICES": "7"})
    assert fold.is_finished
    assert (fold.folder / "training.txt").read_text() == "new 7\n"
    # its scores were there and unedited
    assert (fold.folder / "evaluation.txt").read_text() == "['--skip_existing=True']\n"
    before = (fold.folder / "log.jsonl").stat().st_mtime_ns
    finish_fold(fold, {})
    assert fold.next_command() is None
    assert (fold.folder / "log.jsonl").stat().st_mtime_ns == before


def test_a_fold_with_a_checkpoint_is_resumed(tmp_path):
    fold = planted_fold(tmp_path)
    (fold.folder / "log.jsonl").write_text('{"iteration": 1}\n')
    assert fold.next_command() == ("training", fold.training)
    (fold.folder / "checkpoint.pt").touch()
    assert fold.next_command() == ("training", (*fold.training, "--resume=True"))
    finish_fold(fold, {})
    assert (fold.folder / "training.txt").read_text().startswith("resumed")
    assert len((fold.folder / "log.jsonl").read_text().splitlines()) == 3


def test_a_failure_names_the_fold_the_last_line_and_the_file(tmp_path):
    fold = planted_fold(tmp_path, 3, fails=True)
    with pytest.raises(
        InputError, match=r"fold 3: its training ended with status 1: no such data \(see .*training.txt"
    ):
        finish_fold(fold, {})
    assert not fold.is_trained


def test_an_evaluation_without_results_is_an_error(tmp_path):
    fold = planted_fold(tmp_path, evaluates=False)
    with pytest.raises(InputError, match=r"fold 0: its evaluation ended, but its results are not there"):
        finish_fold(fold, {})
    assert fold.is_trained
    # and not trained again
    assert fold.next_command() == ("evaluation", fold.evaluation)


def test_edited_scores_are_not_taken(tmp_path):
    fold = planted_fold(tmp_path)
    finish_fold(fold, {})
    fold.scores.write_text("better ones")
    assert not fold.is_finished
    assert fold.next_command() == ("evaluation", fold.evaluation)


def test_stopping_ends_the_command(tmp_path):
    fold = planted_fold(tmp_path, pause=60)
    running = RunningFold(fold, {})
    assert running.poll() is False
    running.stop()
    with pytest.raises(InputError, match=r"fold 0: its training ended with status"):
        running.poll()


def test_the_mark_of_a_lost_network_does_not_count(tmp_path):
    fold = planted_fold(tmp_path)
    finish_fold(fold, {})
    (fold.folder / "model.pt").unlink()
    assert not fold.is_trained
    write_evaluation(fold, [score("a", "liver", 0.5)])
    assert fold.next_command()[0] == "training"
