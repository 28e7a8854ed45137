"""Units that have names are matched by name, and by position where either side has none."""

import dataclasses

import numpy as np
import pytest
from tiny import SMALL, reach

import myow
from myow.errors import DataError

NAMES = [f"M1-{i}" for i in range(10)]


def named(names, **options):
    return dataclasses.replace(reach(**options), units=names)


@pytest.fixture(scope="module")
def model():
    return myow.MYOW(**SMALL).fit(named(NAMES))


def test_another_order_is_put_right(model, tmp_path):
    rec = named(NAMES)
    z = model.transform(rec)
    order = np.random.default_rng(0).permutation(10)
    turned = rec.select_units(order)
    assert turned.units != rec.units
    assert np.array_equal(model.transform(turned), z)
    assert np.array_equal(myow.embed(model, turned).z, z)
    model.save(tmp_path / "a.myow")
    assert np.array_equal(myow.load_model(tmp_path / "a.myow", device="cpu").transform(turned), z)


def test_units_that_were_not_trained_on_are_left_out(model):
    rec = named(NAMES)
    wider = myow.Recording(
        np.hstack([rec.counts[:, :3], rec.counts]),
        bin_size=rec.bin_size,
        times=rec.times,
        segments=rec.segments,
        units=["a", "b", "c", *NAMES],
    )
    assert np.array_equal(model.transform(wider), model.transform(rec))


def test_other_names_are_refused_and_say_which_are_missing(model):
    with pytest.raises(DataError, match="has no unit called M1-3, which the model was trained on"):
        model.transform(named([*NAMES[:3], "M1-99", *NAMES[4:]]))


def test_without_names_on_either_side_units_go_by_position(model):
    z = model.transform(named(NAMES))
    assert np.array_equal(model.transform(reach()), z)  # made-up names
    assert np.array_equal(model.transform(reach().counts[:12]), z[:12])  # an array has none
    unnamed = myow.MYOW(**SMALL).fit(reach())
    assert np.array_equal(unnamed.transform(named(NAMES)), unnamed.transform(reach()))


def test_made_up_names_in_another_order_are_put_right():
    model, rec = myow.MYOW(**SMALL).fit(reach()), reach()
    assert np.array_equal(model.transform(rec.select_units(np.arange(10)[::-1])), model.transform(rec))


def test_sessions_are_matched_by_name_too():
    first, second = named(NAMES), named([f"V1-{i}" for i in range(7)], n_units=7, seed=1)
    model = myow.MYOW(**SMALL, read_in=8).fit({"a": first, "b": second})
    turned = second.select_units([6, 5, 4, 3, 2, 1, 0])
    assert np.array_equal(model.transform(turned, session="b"), model.transform(second, session="b"))
    other = dataclasses.replace(turned, name="")
    assert np.array_equal(model.transform(other), model.transform(second, session="b"))
