"""Which rule published numbers follow; `test_metric` has the values by each rule."""

from meddino_components.evaluation import AbsentRule


def test_regions_count_in_every_case():
    assert AbsentRule.published(of_regions=True) is AbsentRule.BRATS
    assert AbsentRule.published(of_regions=False) is AbsentRule.LEAVE_OUT


def test_each_rule_has_words():
    assert len({rule.in_words for rule in AbsentRule}) == len(AbsentRule)
