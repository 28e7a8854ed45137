"""Embedding bin by bin: what `transform` gives for a causal model, gaps and starts of segments included."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from strategies import recordings
from test_methods import METHODS, labels, make
from tiny import SMALL, SMALL_MINING, reach
from torch import nn

import myow
from myow.errors import DataError, SettingError
from myow.methods.deploy import Stream, fused
from myow.nn.scaling import INPUTS, transform_row, transform_values


def streamed(stream, rec, timed=True):
    """Push a recording, a segment after another."""
    rows = []
    for i, counts in enumerate(rec.counts):
        if i and rec.segments[i] != rec.segments[i - 1]:
            stream.reset()
        rows.append(stream.push(counts, rec.times[i]) if timed else stream.push(counts))
    return np.stack(rows)


def agree(z, expected):
    """To 1e-6, or to that share of the largest value where values are large."""
    assert z.dtype == np.float32
    assert z.shape == expected.shape
    assert np.abs(z - expected).max() <= 1e-6 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("context", [(0, 0), (3, 0)])
def test_every_method_streams_what_it_transforms(name, context):
    rec = reach(drop=0.2)
    model = make(name, context=context).fit(rec, labels(name, rec))
    agree(streamed(model.stream(), rec), model.transform(rec))


NETWORKS = {
    "each bin its own weights": {"encoder": "mlp"},
    "predictions": {"embedding": "prediction"},
    "representations of unit length": {"embedding": "representation", "unit_norm": True},
    "one layer": {"hidden": ()},
    "gelu": {"activation": "gelu"},
    "prelu": {"activation": "prelu", "encoder": "mlp"},
    "parallel": {"layout": "parallel", "embedding": "prediction"},
    "single": {"layout": "single", "embedding": "prediction"},
    "read-in": {"read_in": 5},
    "read-in, each bin its own weights": {"read_in": 5, "encoder": "mlp"},
    "rate": {"input": "rate", "scale": "unit"},
    "anscombe": {"input": "anscombe", "scale": "none"},
    "none": {"input": "none"},
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_kind_of_network_streams_what_it_transforms(kind):
    rec = reach()
    model = myow.MYOW(**SMALL | SMALL_MINING | NETWORKS[kind], context=(2, 0)).fit(rec)
    agree(streamed(model.stream(), rec, timed=False), model.transform(rec))


def test_signals_stream_as_they_are():
    rec = myow.Recording(reach().counts - 2.5, bin_size=0.1, kind="continuous")
    model = myow.PCA(context=(1, 0), device="cpu").fit(rec)
    agree(streamed(model.stream(), rec), model.transform(rec))


class Mine(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(10, 6)

    def forward(self, x):
        return self.layer(x[:, -1] - x[:, 0]).tanh()


def test_an_encoder_of_ones_own_streams_too():
    rec = reach(drop=0.2)
    model = myow.BYOL(**SMALL, encoder=Mine(), context=(2, 0)).fit(rec)
    agree(streamed(model.stream(), rec), model.transform(rec))


def norms(network):
    return [m for m in network.modules() if isinstance(m, nn.BatchNorm1d)]


def test_batch_norm_is_fused_into_the_layer_before_it():
    model = myow.MYOW(**SMALL, **SMALL_MINING).fit(reach())
    before = {k: v.clone() for k, v in model.network_.state_dict().items()}
    fast = fused(model.network_)
    assert norms(model.network_)
    assert not norms(fast)
    x = 4 * torch.rand(20, 1, 10)
    with torch.no_grad():
        torch.testing.assert_close(fast.double().embed(x.double()), model.network_.double().embed(x.double()))
    assert all(
        torch.equal(v.float(), before[k]) for k, v in model.network_.state_dict().items() if v.is_floating_point()
    )


class Twice(nn.Sequential):
    """Its layers alone do not tell what it does."""

    def __init__(self):
        super().__init__(nn.Linear(10, 6), nn.BatchNorm1d(6))

    def forward(self, x):
        y = self[0](x.mean(dim=1))
        return y + self[1](y)


def test_layers_that_are_not_called_one_after_the_other_are_left_as_they_are():
    rec = reach()
    model = myow.BYOL(**SMALL, encoder=Twice(), context=(1, 0), embedding="representation").fit(rec)
    assert norms(fused(model.network_).online.encoder)
    agree(streamed(model.stream(), rec, timed=False), model.transform(rec))


@pytest.fixture(scope="module")
def wide():
    """Fitted on a unit that counts its bins, so that every row is told from every other."""
    rows = np.arange(40)[:, None]
    return {before: myow.Raw(context=(before, 0), input="none", scale="none").fit(rows) for before in (0, 1, 2, 5)}


@given(rec=recordings(), before=st.sampled_from([0, 1, 2, 5]))
@settings(max_examples=100, deadline=None)
def test_missing_bins_are_stood_in_for_as_transform_does(wide, rec, before):
    # A last segment as long as the window, since transform refuses a recording that has none.
    times, segments = rec.times.tolist(), rec.segments.tolist()
    rec = myow.Recording(
        np.arange(len(rec) + 8)[:, None],
        bin_size=1.0,
        times=np.array([*np.rint(np.array(times) / 0.1), *range(8)]),
        segments=[*segments, *[99] * 8],
    )
    assert np.array_equal(streamed(wide[before].stream(), rec), wide[before].transform(rec))


@given(steps=st.lists(st.floats(0.99, 3.2), min_size=8, max_size=30), start=st.floats(-50, 50))
@example(steps=[1.5, 0.9921875, *[1.0] * 6], start=0.0)
@settings(max_examples=50, deadline=None)
def test_times_that_jitter_are_rounded_as_a_recording_rounds_them(wide, steps, start):
    times = start + np.cumsum([0.0, *steps])
    times = times[np.append(True, np.diff(times) >= 0.99)]
    rec = myow.Recording(np.arange(len(times))[:, None], bin_size=1.0, times=times)
    assert np.array_equal(streamed(wide[2].stream(), rec), wide[2].transform(rec))


def test_windows_counted_by_hand(wide):
    stream = wide[2].stream()
    push = lambda value, time=None: stream.push([value], time).astype(int).tolist()  # noqa: E731
    assert [push(1), push(2), push(3), push(4)] == [[1, 1, 1], [1, 1, 2], [1, 2, 3], [2, 3, 4]]
    stream.reset()
    assert push(5, 10.0) == [5, 5, 5]
    assert push(6, 14.0) == [5, 6, 6]  # bin 12 is as near to 10 as to 14: the earlier one stands in
    assert push(7, 15.0) == [6, 6, 7]  # bin 13 is nearer to 14
    assert push(8, 30.0) == [8, 8, 8]  # bins 28 and 29 are nearer to 30 than to 15


def test_a_long_segment_keeps_no_more_than_it_needs(wide):
    stream = wide[5].stream()
    held = stream._values.nbytes
    for i in range(300):
        z = stream.push([i % 7])
    assert z.tolist() == [(i % 7) for i in range(294, 300)]
    assert stream._values.nbytes == held


@given(
    values=st.lists(st.integers(0, 10_000), min_size=1, max_size=5),
    how=st.sampled_from([name for name in INPUTS if name != "auto"]),
)
def test_a_row_is_transformed_as_all_rows_are(values, how):
    expected = transform_values(torch.tensor(values), how, 0.05).numpy()
    assert np.allclose(transform_row(np.array(values), how, 0.05), expected, rtol=2e-7, atol=0)


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ([1, 2], r"the bin has shape \(2,\); push one bin at a time, of the 10 units"),
        ([[1] * 10], r"the bin has shape \(1, 10\)"),
        (3, r"the bin has shape \(\)"),
        ([1.5] + [0] * 9, "counts are whole"),
        ([-1] + [0] * 9, "counts cannot be negative"),
        ([np.nan] + [0] * 9, "every value must be finite"),
        (["a"] * 10, "must be real numbers"),
    ],
)
def test_values_are_refused_as_a_recording_refuses_them_and_leave_no_trace(counts, text):
    rec = reach(n_segments=1, length=8)
    model = myow.PCA(context=(2, 0), dim=3, device="cpu").fit(rec)
    stream = model.stream()
    for i, row in enumerate(rec.counts):
        with pytest.raises(DataError, match=text):
            stream.push(counts, rec.times[i])
        agree(stream.push(row, rec.times[i])[None], model.transform(rec)[i : i + 1])


def test_a_poisson_model_of_an_array_of_fractions_takes_no_negative_ones():
    x = reach().counts + 0.5
    stream = myow.PoissonNB().fit(x, reach().labels["direction"]).stream()
    with pytest.raises(DataError, match="the model is of counts"):
        stream.push(-x[0])


def test_times_must_rise_by_a_bin_and_all_bins_of_a_segment_have_one_or_none(wide):
    stream = wide[1].stream()
    stream.push([1], 3.0)
    with pytest.raises(DataError, match="must rise by at least the bin width"):
        stream.push([2], 3.5)
    with pytest.raises(DataError, match="must be finite numbers of seconds"):
        stream.push([2], np.nan)
    with pytest.raises(DataError, match="some bins of this segment have a time and some have none"):
        stream.push([2])
    assert stream.push([2], 4.0).tolist() == [1, 2]
    stream.reset()
    assert stream.push([3]).tolist() == [3, 3]
    with pytest.raises(DataError, match="some have none"):
        stream.push([4], 5.0)


def test_a_window_into_the_future_is_refused():
    model = myow.PCA(context=(2, 1), device="cpu").fit(reach())
    with pytest.raises(
        SettingError, match=r"context is \(2, 1\).*needs 1 bins that are still to come.*context=\(2, 0\)"
    ):
        model.stream()


def test_one_of_several_sessions_is_named():
    first, second = reach(), reach(n_units=7, seed=1)
    model = myow.MYOW(**SMALL, **SMALL_MINING, context=(1, 0)).fit({"a": first, "b": second})
    for name, rec in (("a", first), ("b", second)):
        agree(streamed(model.stream(session=name), rec), model.transform(rec, session=name))
    with pytest.raises(SettingError, match="trained on 2 sessions, and a stream is of one; choose session= from a, b"):
        model.stream()
    with pytest.raises(DataError, match="there is no session 'c'"):
        model.stream(session="c")
    alone = myow.PCA(device="cpu").fit(first)
    assert alone.stream(session="tiny").n_units == 10
    with pytest.raises(DataError, match="there is no session 'c'; the model was trained on tiny"):
        alone.stream(session="c")


def test_images_and_models_without_weights_are_refused():
    pixels = np.random.default_rng(0).integers(0, 255, (4, 8, 8, 3), dtype=np.uint8)
    model = myow.ImageBYOL(width=2, steps=0, epochs=None, device="cpu").initialise(pixels)
    with pytest.raises(SettingError, match="ImageBYOL learns from images, and a stream takes bins of a recording"):
        model.stream()
    with pytest.raises(Exception, match="not fitted"):
        myow.PCA().stream()


def test_a_stream_keeps_the_weights_it_was_made_with():
    rec = reach()
    model = myow.PCA(dim=3, device="cpu").fit(rec)
    before, stream = model.transform(rec), Stream(model)
    model.fit(reach(seed=5))
    agree(streamed(stream, rec), before)
