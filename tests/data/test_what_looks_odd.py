"""One warning of one line, once a recording, of what makes sense to a computer but seldom to a physiologist; and forms of labels."""

import warnings

import numpy as np
import pandas as pd
import pytest

import myow
from myow import Recording
from myow.data.recording import warn_if_odd
from myow.errors import DataError

RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(1.0, (200, 5))


def told(recording):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_if_odd(recording)
    assert all(one.category is UserWarning and "\n" not in str(one.message) for one in caught)
    return [str(one.message) for one in caught]


def test_nothing_is_said_of_what_is_usual():
    labels = {"direction": np.repeat([1, 2], 100), "speed": RNG.normal(size=200)}
    assert not told(Recording(COUNTS, bin_size=0.1, segments=np.repeat(np.arange(4), 50), labels=labels))
    assert not told(Recording(RNG.normal(size=(200, 5)), bin_size=0.1, kind="continuous"))


@pytest.mark.parametrize(
    ("counts", "more", "said"),
    [
        (COUNTS.T, {}, "200 units, but 5 bins; if the array is .units, bins., turn it"),
        (COUNTS, {"bin_size": 1000.0}, "fires at 0.00.* Hz in the mean"),
        (COUNTS, {"bin_size": 0.0001}, "fires at 1.01e.04 Hz|fires at .*e.0[34] Hz"),
        (COUNTS * 10, {}, "all counts are multiples of 10; if they are rates in Hz"),
        (COUNTS, {"kind": "continuous"}, "all values are whole and none is negative; .*kind='counts'"),
        (COUNTS / 0.03, {"kind": "continuous", "bin_size": 0.03}, "counts as rates"),
        (
            COUNTS,
            {"labels": {"choice": np.repeat([0.0, 1.0], 100)}},
            "label choice has 2 whole values but is stored as floats",
        ),
        (np.where(np.arange(5) == 2, 0, COUNTS), {}, r"1 of 5 units never change \(unit2\); select_units"),
        (
            COUNTS,
            {"segments": np.repeat([0, 1], 100), "times": np.r_[np.arange(100), 10_000 + np.arange(100)] / 10},
            "2 segments cover 2 % of the time",
        ),
    ],
)
def test_what_looks_odd_is_said_with_what_to_do(counts, more, said):
    recording = Recording(counts, **{"bin_size": 0.1, "name": "day", **more})
    lines = told(recording)
    assert any(line.startswith("day: ") for line in lines)
    with pytest.warns(UserWarning, match=said):
        warn_if_odd(Recording(counts, **{"bin_size": 0.1, **more}))
    assert not told(recording)  # once a recording


def test_read_from_spikes_and_fit_say_it_once():
    counts = np.where(np.arange(5) == 2, 0, COUNTS)
    with pytest.warns(UserWarning, match="unit2"):
        rec = myow.read(counts, bin_size=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        myow.PCA(dim=2).fit(rec)
    with pytest.warns(UserWarning, match="unit2"):
        myow.PCA(dim=2).fit(Recording(counts, bin_size=0.1))
    trains = {"a": RNG.uniform(0, 20, 200), "silent": []}
    with pytest.warns(UserWarning, match="silent"):
        Recording.from_spikes(trains, [[0, 20]], bin_size=0.1)


SEGMENTS = [0, 0, 3, 3, 3]
SIDES = ["left", "left", "right", "right", "right"]


@pytest.mark.parametrize(
    "label",
    [
        np.array(SIDES, dtype=object),
        pd.Series(SIDES, index=[9, 8, 7, 6, 5]),
        pd.Categorical(SIDES),
        pd.Series(SIDES, dtype="category"),
        ["left", "right"],
        np.array(["left", "right"], dtype=object),
        pd.Categorical(["left", "right"]),
    ],
)
def test_labels_may_be_objects_categories_or_one_value_a_segment(label):
    rec = Recording(np.ones((5, 1)), bin_size=0.1, segments=SEGMENTS, labels={"side": label})
    assert rec.labels["side"].tolist() == SIDES
    assert rec.labels["side"].dtype.kind == "U"


def test_labels_may_be_the_columns_of_a_frame():
    frame = pd.DataFrame(
        {"side": SIDES, "n": pd.Categorical([1, 1, 2, 2, 2]), "m": pd.array([1, 2, 3, 4, 5], dtype="Int64")}
    )
    rec = Recording(np.ones((5, 1)), bin_size=0.1, labels=frame)
    assert rec.labels["side"].tolist() == SIDES
    assert rec.labels["n"].tolist() == [1, 1, 2, 2, 2]
    assert rec.labels["n"].dtype.kind == rec.labels["m"].dtype.kind == "i"
    targets = Recording(np.ones((5, 1)), bin_size=0.1, segments=SEGMENTS, labels={"target": [[1.0, 2.0], [3.0, 4.0]]})
    assert targets.labels["target"].tolist() == [[1, 2]] * 2 + [[3, 4]] * 3


@pytest.mark.parametrize(
    ("label", "segments", "said"),
    [
        (["left", None, "right", "right", "right"], SEGMENTS, "no value in 1 of 5 places"),
        (pd.array([1, None, 2, 2, 2], dtype="Int64"), SEGMENTS, "holds NaN|no value"),
        (np.ma.array([1, 2, 3, 4, 5], mask=[1, 0, 0, 0, 0]), SEGMENTS, "1 values are masked"),
        (["left", "right", "up"], SEGMENTS, "5 bins of 2 segments; give one row a bin or a segment"),
        (["left", "right"], [3, 3, 0, 0, 0], "do not come in the order of their numbers"),
        (["left", "right"], None, "5 bins; give one row a bin"),
    ],
)
def test_labels_that_do_not_fit_are_said(label, segments, said):
    with pytest.raises(DataError, match=said) as caught:
        Recording(np.ones((5, 1)), bin_size=0.1, segments=segments, labels={"y": label})
    assert "\n" not in str(caught.value)


def test_masked_counts_are_missing():
    with pytest.raises(DataError, match="counts: 1 values are masked"):
        Recording(np.ma.array([[1, 2]], mask=[[True, False]]), bin_size=0.1)


def test_parts_of_a_recording_that_was_spoken_of_are_not_spoken_of_again():
    odd = Recording(COUNTS * 10, bin_size=0.1)
    assert told(odd)
    assert not told(odd.select(slice(0, 100)))
    assert told(Recording(COUNTS * 10, bin_size=0.1).select(slice(0, 100)))
