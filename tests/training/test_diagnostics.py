"""What is measured while a method trains, against NumPy; and that measuring changes nothing."""

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial.distance import pdist
from tiny import SMALL, Notes, reach

from myow import BYOL, MYOW, Recording, SimCLR
from myow.errors import TrainingError
from myow.nn.neighbours import default_gap
from myow.training.diagnostics import Diagnostics
from myow.training.module import TrainingModule
from myow.training.rows import TrainingRows


def signal(lengths, dim=5, seed=0):
    """Segments of so many rows of noise, in which no two distances are alike."""
    values = np.random.default_rng(seed).normal(size=(sum(lengths), dim))
    segments = np.repeat(np.arange(len(lengths)), lengths)
    return Recording(values, bin_size=0.5, segments=segments, kind="continuous")


class Identity(TrainingModule):
    """Embeds rows as they are, or as told."""

    def __init__(self, n_units, change):
        super().__init__(n_units)
        self.change = change

    def make_views(self, rows, generator):
        raise NotImplementedError

    def loss(self, views):
        raise NotImplementedError

    def embed(self, x):
        assert not self.training
        return self.change(x.squeeze(1))


def measured(rec, terms=None, change=lambda z: z):
    module = Identity(rec.counts.shape[1], change).train()
    rows = TrainingRows(rec, torch.from_numpy(np.array(rec.counts, dtype=np.float32)), (0, 0), torch.device("cpu"))
    found = Diagnostics(rows)(module, {"loss": torch.tensor(0.5)} if terms is None else terms, 7)
    assert module.training
    return found


def unit(rec):
    return rec.counts / np.linalg.norm(rec.counts, axis=1, keepdims=True)


def similarity(rec):
    """Cosine similarity; minus infinity where a row may not be a neighbour."""
    if rec.n_segments > 1:
        admissible = rec.segments[:, None] != rec.segments[None]
    else:
        admissible = np.abs(rec.times[:, None] - rec.times[None]) > default_gap(rec.times) + 1e-6
    return np.where(admissible, unit(rec) @ unit(rec).T, -np.inf)


@pytest.mark.parametrize("rec", [signal([12] * 9), signal([150])], ids=["segments", "one segment"])
def test_numbers_and_neighbours_against_numpy(rec):
    metrics, traces = measured(rec)
    assert set(metrics) == {"loss", "effective_rank", "alignment", "uniformity", "hubness"}
    spread = np.exp(-2 * pdist(unit(rec), "sqeuclidean")).mean()
    assert metrics["uniformity"] == pytest.approx(np.log(spread), rel=1e-4)
    order = np.argsort(-similarity(rec), axis=1)
    assert metrics["hubness"] == pytest.approx(stats.skew(np.bincount(order[:, :10].ravel(), minlength=len(rec))))
    rows, near = traces["neighbour_pairs"].T.numpy()
    assert rows.tolist() == list(range(len(rec)))
    assert near.tolist() == order[:, 0].tolist()


def test_alignment_pairs_each_row_with_the_next_of_its_segment_or_the_one_before():
    rec = signal([3, 1, 2])
    row, partner = np.array([0, 1, 2, 4, 5]), np.array([1, 2, 1, 5, 4])  # row 3 is alone in its segment
    expected = ((unit(rec)[row] - unit(rec)[partner]) ** 2).sum(axis=1).mean()
    assert measured(rec)[0]["alignment"] == pytest.approx(expected, rel=1e-4)


def test_where_no_segment_has_two_rows_there_is_no_alignment():
    metrics, traces = measured(signal([1] * 8))
    assert "alignment" not in metrics
    assert np.isfinite(list(metrics.values())).all()
    assert traces["neighbour_pairs"].shape == (8, 2)


@pytest.mark.parametrize(("lengths", "pairs"), [([1], [[0, -1]]), ([2], [[0, 1], [1, 0]]), ([1, 1], [[0, 1], [1, 0]])])
def test_very_few_rows_are_measured_without_nan(lengths, pairs):
    metrics, traces = measured(signal(lengths))
    assert np.isfinite(list(metrics.values())).all()
    assert metrics["hubness"] == 0
    assert traces["neighbour_pairs"].tolist() == pairs


def test_of_many_rows_evenly_spaced_ones_are_taken_and_neighbours_are_among_them():
    rec = signal([7] * 300)
    rows, near = measured(rec)[1]["neighbour_pairs"].T.numpy()
    assert (len(rows), rows[0], rows[-1]) == (512, 0, 2099)
    assert set(np.diff(rows)) <= {4, 5}
    assert set(near) <= set(rows)
    best = similarity(rec)[np.ix_(rows, rows)].argmax(axis=1)
    assert near.tolist() == rows[best].tolist()


def test_terms_become_numbers_and_whole_tensors_traces():
    terms = {"loss": torch.tensor(2.0, requires_grad=True), "mined_pairs": torch.tensor([[1, 2]])}
    metrics, traces = measured(signal([4, 4]), terms)
    assert metrics["loss"] == 2.0
    assert traces["mined_pairs"].tolist() == [[1, 2]]
    assert "mined_pairs" not in metrics


@pytest.mark.parametrize(
    ("terms", "change", "words"),
    [
        ({"mined": torch.tensor(torch.nan)}, lambda z: z, "mined became nan at step 7"),
        (None, lambda z: z / 0, "no longer finite at step 7"),
        (None, torch.ones_like, "collapsed to one point by step 7"),
    ],
)
def test_what_is_broken_is_said(terms, change, words):
    with pytest.raises(TrainingError, match=words):
        measured(signal([4, 4]), terms, change)


@pytest.mark.parametrize("estimator", [MYOW, BYOL, SimCLR])
def test_measuring_changes_no_bit_of_what_is_learnt(estimator, monkeypatch):
    rec = reach()
    settings = {k: v for k, v in SMALL.items() if k != "predictor" or estimator is not SimCLR}
    notes = Notes()
    first = estimator(**settings).fit(rec, callbacks=[notes])
    assert all("neighbour_pairs" in traces for traces in notes.traces)
    monkeypatch.setattr(Diagnostics, "__call__", lambda *_: ({}, {}))
    second = estimator(**settings).fit(rec)
    held, other = first.network_.state_dict(), second.network_.state_dict()
    assert held.keys() == other.keys()
    assert [name for name in held if not torch.equal(held[name], other[name])] == []
    assert any("running_mean" in name for name in held)  # statistics of batches are compared too


def test_mining_switched_off_leaves_neighbours_to_look_at():
    notes = Notes()
    MYOW(**SMALL, mined_weight=0.0).fit(reach(), callbacks=[notes])
    assert {frozenset(traces) for traces in notes.traces} == {frozenset(["neighbour_pairs"])}
