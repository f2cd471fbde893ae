"""Sums and parts of two processes, and the gradients that flow back, by hand.

The processes have the numbers (1, 10) and (2, 20), and take rank + 1 times the squares of what they get as their loss.
"""

import torch


def test_the_sum_is_that_of_all_and_so_are_its_gradients(on_two_processes):
    for found in on_two_processes:
        total, gradient = found["collectives"]["sum_of_all"]
        assert total.tolist() == [3, 30]
        # of (1 + 2) (3, 30)^2: each process' loss reaches the numbers of both
        assert gradient.tolist() == [3 * 2 * 3, 3 * 2 * 30]


def test_parts_are_in_the_order_of_ranks_and_get_the_gradients_of_every_process(on_two_processes):
    for rank, found in enumerate(on_two_processes):
        parts, gradient = found["collectives"]["parts_of_all"]
        assert parts.tolist() == [[1, 10], [2, 20]]
        own = 1 + rank
        assert gradient.tolist() == [3 * 2 * own, 3 * 2 * 10 * own]


def test_precision_stays(on_two_processes):
    for found in on_two_processes:
        for name in ("sum_of_all", "parts_of_all"):
            assert {tensor.dtype for tensor in found["collectives"][name]} == {torch.float64}
