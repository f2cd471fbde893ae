import sys
import time

import pytest
import torch
from planted_folds import planted_fold, ran_together

from meddino_components.cross_validation.workers import local_slots, on_ray, on_this_machine
from meddino_components.errors import InputError


def ignore(running):
    pass


def test_slots_are_the_gpus_that_are_visible(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert local_slots(None, None) == [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-5e, 3")
    assert local_slots(None, None) == [{"CUDA_VISIBLE_DEVICES": "GPU-5e"}, {"CUDA_VISIBLE_DEVICES": "3"}]
    assert local_slots([1], None) == [{"CUDA_VISIBLE_DEVICES": "1"}]
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert local_slots(None, 2) == [{"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "4"}] * 2


def test_slots_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert local_slots(None, None) == [{}]
    assert local_slots(None, 3) == [{"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "2"}] * 3


@pytest.mark.parametrize(
    ("devices", "workers", "message"),
    [
        ([0], 2, "--devices and --workers are both given"),
        ([], None, "--devices is an empty list"),
        (None, 0, "--workers is 0"),
    ],
)
def test_wrong_slots(devices, workers, message):
    with pytest.raises(InputError, match=message):
        local_slots(devices, workers)


def test_folds_run_side_by_side_each_with_its_gpu(tmp_path):
    folds = [planted_fold(tmp_path, number, pause=0.4) for number in range(3)]
    seen = []
    finished = list(on_this_machine(folds, [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}], seen.append))
    assert sorted(fold.number for fold in finished) == [0, 1, 2]
    assert max(len(running) for running in seen) == 2
    assert {doing for running in seen for doing in running.values()} <= {"training", "evaluation"}
    devices = [(fold.folder / "training.txt").read_text().split()[1] for fold in folds]
    assert set(devices[:2]) == {"0", "1"}
    assert ran_together(folds)


def test_after_a_failure_no_fold_is_begun_but_running_ones_are_finished(tmp_path):
    folds = [planted_fold(tmp_path, 0, fails=True), planted_fold(tmp_path, 1, pause=1.0), planted_fold(tmp_path, 2)]
    finished = []
    with pytest.raises(InputError, match="fold 0: its training ended with status 1"):
        finished.extend(iter(on_this_machine(folds, [{}, {}], ignore)))
    assert folds[1].is_finished
    assert not (folds[2].folder / "training.txt").exists()


def test_an_interruption_ends_what_runs(tmp_path):
    fold = planted_fold(tmp_path, pause=60)

    def interrupt(running):
        if fold.log.exists():
            raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(on_this_machine([fold], [{}], interrupt))
    assert time.monotonic() - started < 50


def test_without_ray_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"a Ray cluster needs ray: install the extra 'ray'"):
        list(on_ray([planted_fold(tmp_path)], None, None, ignore))


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray", reason="NOT TESTED: folds on a Ray cluster, for ray is not installed")
    ray.init(num_cpus=2, log_to_driver=False)
    yield ray
    ray.shutdown()


def test_two_workers_of_ray_run_folds_at_the_same_time(cluster, tmp_path):
    folds = [planted_fold(tmp_path, number, pause=1.0) for number in range(3)]
    finished = list(on_ray(folds, None, None, ignore))
    assert sorted(fold.number for fold in finished) == [0, 1, 2]
    assert all(fold.is_finished for fold in folds)
    assert ran_together(folds)


def test_a_failure_on_ray_is_that_of_the_fold(cluster, tmp_path):
    with pytest.raises(InputError, match=r"fold 1: its training ended with status 1: no such data"):
        list(on_ray([planted_fold(tmp_path, 1, fails=True)], None, None, ignore))
