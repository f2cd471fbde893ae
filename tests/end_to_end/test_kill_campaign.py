"""A few kills and pairs of the campaign in ``benchmarks/kill_campaign.py``, which shows a hundred."""

import json
import subprocess
import sys

import pytest
from command_lines import REPOSITORY, environment


@pytest.mark.slow
def test_nothing_is_lost_torn_or_mixed(tmp_path):
    line = [sys.executable, str(REPOSITORY / "benchmarks" / "kill_campaign.py"), "--kills", "6", "--pairs", "3"]
    done = subprocess.run(
        [*line, "--results", str(tmp_path)], env=environment(), capture_output=True, encoding="utf-8", timeout=900
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads((tmp_path / "kill_campaign.json").read_text(encoding="utf-8"))
    assert sum(kill["killed"] for kill in found["kills"]) >= 3
    assert [kill for kill in found["kills"] if kill["lost"] or kill["torn"] or kill["mixed"]] == []
    assert [pair for pair in found["pairs"] if pair["mixed"]] == []
    # segment beside segment, fine-tuning, pretraining: one is told who writes
    assert all("another process is writing to it (process" in pair["refused"][0] for pair in found["pairs"])
