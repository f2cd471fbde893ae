import pytest

from meddino_components.errors import InputError
from meddino_components.evaluation import report_extra
from meddino_components.evaluation.report_extra import check_report_extra


def test_missing_packages_are_named(monkeypatch):
    check_report_extra()
    monkeypatch.setattr(report_extra, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="the report needs jinja2 and matplotlib: install the extra 'report'"):
        check_report_extra()
