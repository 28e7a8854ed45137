"""Which rows may not be mined, by segments and by time, as two comparisons of every pair say."""

import pytest
import torch
from tiny import reach

from myow.methods.candidates import mining_rule
from myow.nn.neighbours import excluded_pairs
from myow.training.rows import TrainingRows


@pytest.mark.parametrize(("exclude", "apart"), [("segment", True), ("self", True), ("time", False)])
def test_runs_that_are_apart_are_told_by_one_comparison(exclude, apart):
    recording = reach()
    rows = TrainingRows(recording, torch.zeros(len(recording), 1), (0, 0), torch.device("cpu"))
    rule = mining_rule(rows, exclude, 0.25, "all")
    anchors, pool = torch.arange(0, len(recording), 3), torch.randperm(len(recording))
    assert rule.apart == apart
    found = rule.excluded(anchors, pool)
    assert torch.equal(found, excluded_pairs(anchors, pool, rule.barred))
    assert found.any()
    assert not found.all()
