"""Values by the iteration."""

import pytest

from meddino_components.self_distillation.schedules import (
    Schedule,
    WarmupCosine,
    cosine_schedule,
    cosine_schedules,
    scaled_lr,
    warmup_cosine_schedule,
    warmup_cosine_schedules,
)


def values(schedule, n=None):
    return [schedule[i] for i in range(n or len(schedule))]


def test_warmup_leaves_the_peak_out_and_the_cosine_reaches_the_end():
    schedule = warmup_cosine_schedule(
        start=0, peak=4, end=2, total_iterations=9, warmup_iterations=4, cosine_iterations=3
    )
    assert values(schedule, 12) == pytest.approx([0, 1, 2, 3, 4, 3, 2, 2, 2, 2, 2, 2])


def test_without_warmup_the_cosine_takes_all():
    assert values(warmup_cosine_schedule(start=9, peak=1, end=0, total_iterations=3)) == pytest.approx([1, 0.5, 0])


def test_the_older_recipe_has_the_peak_twice_and_the_end_past_the_last():
    schedule = cosine_schedule(peak=2, end=0, total_iterations=7, warmup_iterations=3, frozen_iterations=2)
    assert values(schedule, 9) == pytest.approx([0, 0, 0, 1, 2, 2, 1, 0, 0])


def test_a_truncated_cosine_still_goes_from_peak_to_end():
    schedule = cosine_schedule(peak=3, end=1, total_iterations=20, truncate_extra=0.5)
    assert (schedule[0], schedule[19], schedule[20]) == pytest.approx((3, 1, 1))
    whole = cosine_schedule(peak=3, end=1, total_iterations=20)
    assert schedule[18] - schedule[19] > 2 * (whole[18] - whole[19])  # and falls to the last


@pytest.mark.parametrize("make", [warmup_cosine_schedule, cosine_schedule])
def test_refuses_parts_longer_than_the_whole(make):
    with pytest.raises(ValueError, match="exceed 3 in total"):
        make(start=0, peak=1, end=0, total_iterations=3, warmup_iterations=4)
    assert values(make(start=0, peak=4, end=0, total_iterations=2, warmup_iterations=2))[0] == 0


def test_freezing_leaves_the_rest_as_it_is():
    schedule = warmup_cosine_schedule(start=5, peak=5, end=5, total_iterations=4).frozen_until(2)
    assert values(schedule, 6) == [0, 0, 5, 5, 5, 5]
    with pytest.raises(IndexError, match="got -1"):
        schedule[-1]


def test_scaling_rules():
    assert scaled_lr(0.5, global_batch_size=1024, rule="none") == 0.5
    assert scaled_lr(0.5, global_batch_size=1024, rule="linear_wrt_256") == 2
    assert scaled_lr(0.5, global_batch_size=256, rule="sqrt_wrt_1024") == 1
    with pytest.raises(ValueError, match="got 'cubic'"):
        scaled_lr(0.5, global_batch_size=256, rule="cubic")


def test_schedules_of_the_older_settings():
    schedules = cosine_schedules(
        epoch_length=2,
        epochs=6,
        lr=1.0,
        min_lr=0.1,
        warmup_epochs=1,
        freeze_last_layer_epochs=2,
        warmup_teacher_temp_epochs=2,
    )
    assert values(schedules.lr, 3) == pytest.approx([0, 1, 1])
    assert schedules.lr[12] == 0.1
    assert values(schedules.last_layer_lr, 4) == [0, 0, 0, 0]
    assert values(schedules.last_layer_lr)[4:] == values(schedules.lr)[4:]
    assert (schedules.weight_decay[0], schedules.weight_decay[12]) == pytest.approx((0.04, 0.4))
    assert (schedules.ema_momentum[0], schedules.ema_momentum[12]) == pytest.approx((0.992, 1))
    assert values(schedules.teacher_temp, 6) == pytest.approx([0.04, 0.05, 0.06, 0.07, 0.07, 0.07])


def test_schedules_of_the_newer_settings():
    flat = WarmupCosine(start=0.5, peak=0.5, end=0.5)
    schedules = warmup_cosine_schedules(
        epoch_length=2,
        epochs=4,
        lr=WarmupCosine(start=0, peak=1, end=0.25, warmup_epochs=1, cosine_epochs=1),
        weight_decay=flat,
        momentum=flat,
        teacher_temp=WarmupCosine(start=0.25, peak=0.75, end=0.75, warmup_epochs=1),
        freeze_last_layer_epochs=1,
        global_batch_size=64,
        scaling_rule="linear_wrt_256",
    )
    assert values(schedules.lr) == pytest.approx([x / 4 for x in (0, 0.5, 1, 0.25, 0.25, 0.25, 0.25, 0.25)])
    assert values(schedules.last_layer_lr, 3) == pytest.approx([0, 0, 0.25])
    assert values(schedules.weight_decay) == values(schedules.ema_momentum) == [0.5] * 8
    assert values(schedules.teacher_temp, 3) == pytest.approx([0.25, 0.5, 0.75])
    assert isinstance(schedules.lr, Schedule)
