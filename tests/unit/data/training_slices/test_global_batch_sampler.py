"""Which samples each process sees."""

from itertools import chain, islice

import pytest
from torch.utils.data import DataLoader

from meddino_components import processes
from meddino_components.data import GlobalBatchSampler
from meddino_components.errors import InputError


def batches(sampler, n):
    return list(islice(sampler, n))


def on_rank(monkeypatch, rank, size):
    monkeypatch.setattr(processes.dist, "is_initialized", lambda: True)
    monkeypatch.setattr(processes.dist, "get_rank", lambda: rank)
    monkeypatch.setattr(processes.dist, "get_world_size", lambda: size)


@pytest.mark.parametrize(("size", "batch_size"), [(2, 2), (2, 1), (3, 4)])
def test_shares_of_the_processes_make_up_the_global_batch(monkeypatch, size, batch_size):
    expected = batches(GlobalBatchSampler(batch_size=size * batch_size), 5)
    shares = []
    for rank in range(size):
        on_rank(monkeypatch, rank, size)
        shares.append(batches(GlobalBatchSampler(batch_size=batch_size), 5))
    assert [list(chain(*parts)) for parts in zip(*shares, strict=True)] == expected
    assert list(chain(*expected)) == list(range(5 * size * batch_size))


def test_batch_size_one():
    assert batches(GlobalBatchSampler(batch_size=1), 3) == [[0], [1], [2]]


def test_a_resumed_run_goes_on_where_the_first_stopped(monkeypatch):
    on_rank(monkeypatch, 1, 2)
    sampler = GlobalBatchSampler(batch_size=2)
    whole = batches(sampler, 6)
    sampler.start_iteration = 4
    assert batches(sampler, 2) == whole[4:]


def test_a_data_set_smaller_than_a_batch_gives_whole_batches():
    class Two:
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return index

    loader = DataLoader(Two(), batch_sampler=GlobalBatchSampler(batch_size=5))
    assert [batch.tolist() for batch in islice(loader, 2)] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_refuses_a_batch_of_nothing():
    with pytest.raises(InputError, match="batch_size is 0; expected at least 1"):
        GlobalBatchSampler(batch_size=0)
    with pytest.raises(InputError, match="accumulation_steps is 0; expected at least 1"):
        GlobalBatchSampler(batch_size=2, accumulation_steps=0)
