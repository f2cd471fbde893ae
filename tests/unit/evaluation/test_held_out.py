"""Cases of training are not scored as validation."""

import pytest

from meddino_components.checkpoints import WeightsRecord, hash_of_case
from meddino_components.errors import InputError
from meddino_components.evaluation import held_out_cases

RECORD = WeightsRecord(data={"fold": 2, "n_folds": 5, "training": {"cases": [hash_of_case("a"), hash_of_case("b")]}})
SEEN, NEW = [{"case_id": "c", "label": "c"}, {"case_id": "a", "label": "a"}], [{"case_id": "c", "label": "c"}]


@pytest.mark.parametrize("section", ["validation", "official_validation", "test"])
def test_a_case_of_training_is_refused_by_name(section):
    with pytest.raises(InputError, match=rf"1 of 2 cases of section {section} .* the first a; .* fold 2 of 5"):
        held_out_cases(cases=SEEN, record=RECORD, section=section)
    assert held_out_cases(cases=NEW, record=RECORD, section=section) is NEW
    assert held_out_cases(cases=SEEN, record=RECORD, section=section, allow_training_cases=True) is SEEN


def test_a_case_of_any_network_of_an_ensemble_is_refused():
    other = WeightsRecord(data={"fold": 1, "n_folds": 5, "training": {"cases": [hash_of_case("c")]}})
    for records in ((RECORD, other), (other, RECORD)):
        with pytest.raises(InputError, match=r"the first c; .* fold 1 of 5"):
            held_out_cases(cases=NEW, record=records, section="validation")
    assert held_out_cases(cases=NEW, record=(RECORD, RECORD), section="validation") is NEW
    assert held_out_cases(cases=SEEN, record=(), section="validation") is SEEN


def test_sections_that_say_so_and_weights_of_others_pass():
    assert held_out_cases(cases=SEEN, record=RECORD, section="training") is SEEN
    assert held_out_cases(cases=SEEN, record=None, section="validation") is SEEN
    assert held_out_cases(cases=SEEN, record=WeightsRecord(), section="validation") is SEEN


@pytest.mark.parametrize("record", [None, RECORD])
def test_cases_without_labels_are_one_error(record):
    cases = [*NEW, {"case_id": "d"}, {"case_id": "e"}]
    with pytest.raises(InputError, match=r"2 of 3 cases of section test have no label, the first d: .*inference"):
        held_out_cases(cases=cases, record=record, section="test", allow_training_cases=True)
