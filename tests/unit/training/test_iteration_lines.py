"""Lines that a resumed run goes on with."""

import json

from meddino_components.training.iteration_lines import IterationLines


def test_lines(tmp_path):
    lines = IterationLines(tmp_path / "new" / "a.jsonl")
    lines.drop_after(0)
    for iteration in (0, 5, 10):
        lines.append(iteration, {"score": iteration / 10})
    with lines.path.open("a") as file:
        file.write('{"iteration": 15, "sco')
    lines.drop_after(5)
    lines.append(10, {"score": 7.0})
    found = [json.loads(line) for line in lines.path.read_text(encoding="utf-8").splitlines()]
    assert found == [{"iteration": i, "score": s} for i, s in ((0, 0.0), (5, 0.5), (10, 7.0))]
