"""Settings written as text become the types that an estimator declares, or an error that helps."""

from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myow import BYOL, MYOW
from myow.errors import MyowError, SettingError, UnknownNameError
from myow.settings import parse_pairs, parse_settings


@dataclass(kw_only=True)
class Kinds:
    whole: int = 1
    real: float = 1.0
    switch: bool = True
    text: str = "a"
    choice: Literal["red", "green"] = "red"
    some: int | None = None
    pair: tuple[int, int] = (0, 0)
    many: tuple[int, ...] = ()
    code: object = None


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ("whole=-3", -3),
        ("real=2", 2.0),
        ("real=-1e-3", -0.001),
        ("switch=true", True),
        ("switch=False", False),
        ("text=x=y", "x=y"),
        ("choice=green", "green"),
        ("some=4", 4),
        ("some=none", None),
        ("some=None", None),
        ("pair=-2,2", (-2, 2)),
        ("pair=(1, 0)", (1, 0)),
        ("many=", ()),
        ("many=64", (64,)),
        ("many=64,32,", (64, 32)),
        (" whole = 7 ", 7),
    ],
)
def test_text_becomes_the_declared_type(pair, expected):
    (value,) = parse_settings(Kinds, [pair]).values()
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("whole=1.5", "whole must be a whole number"),
        ("whole=", "whole must be a whole number"),
        ("real=abc", "real must be a finite number"),
        ("real=nan", "real must be a finite number"),
        ("real=-inf", "real must be a finite number"),
        ("switch=yes", "switch must be true or false"),
        ("choice=blue", "choice must be one of red, green"),
        ("some=x", "some must be a whole number or none"),
        ("pair=1", "pair must be 2 numbers"),
        ("pair=1,2,3", "pair must be 2 numbers"),
        ("many=a,b", "many must be numbers separated by commas"),
        ("code=print", "code must be given from Python"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_what_would(pair, said):
    with pytest.raises(SettingError) as caught:
        parse_settings(Kinds, [pair])
    assert said in str(caught.value)
    assert pair in str(caught.value)


def test_an_unknown_key_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown setting 'batchsize'; did you mean 'batch_size'"):
        parse_settings(MYOW, ["batchsize=3"])
    with pytest.raises(UnknownNameError, match="unknown setting 'pool'"):
        parse_settings(BYOL, ["pool=batch"])


@pytest.mark.parametrize("pair", ["k", "=3", " =3", ""])
def test_what_is_no_pair_is_refused(pair):
    with pytest.raises(SettingError, match="write key=value"):
        parse_pairs([pair])


def test_a_repeated_key_takes_the_last_value():
    assert parse_settings(Kinds, ["whole=1", "whole=2"]) == {"whole": 2}


@given(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.lists(st.integers(1, 999)))
def test_numbers_written_out_come_back(whole, real, many):
    pairs = [f"whole={whole}", f"real={real!r}", f"many={','.join(map(str, many))}"]
    assert parse_settings(Kinds, pairs) == {"whole": whole, "real": real, "many": tuple(many)}


@given(st.text(max_size=20))
def test_any_text_gives_settings_or_an_error_meant_for_people(text):
    try:
        parse_settings(Kinds, [text, f"whole={text}", f"pair={text}", f"real={text}", f"switch={text}"])
    except MyowError:
        return


@pytest.mark.parametrize("method", [MYOW, BYOL])
def test_every_setting_of_a_method_can_be_written_or_says_that_it_needs_python(method):
    for key, value in method().get_params().items():
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value).lower()
        if key == "augment":
            with pytest.raises(SettingError, match="given from Python"):
                parse_settings(method, [f"{key}=something"])
        else:
            assert parse_settings(method, [f"{key}={text}"]) == {key: value}
