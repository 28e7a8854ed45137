"""Every parameter of every method is explained in the docstring of the class that users call, with its default."""

import inspect
import re
from dataclasses import fields

import pytest

from myow.methods import IMAGE_METHODS, METHODS, image_method_class, method_class

CLASSES = [method_class(name) for name in METHODS] + [image_method_class(name) for name in IMAGE_METHODS]


def explained(kind):
    """Name to (type, default, text), as the class's own docstring lists them."""
    doc = inspect.cleandoc(kind.__doc__)
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n-{3,}$|\Z)", doc, re.M | re.S).group(1)
    entries = re.findall(r"^(\w+) : (.+), default (.+)\n((?:    .*\n?|\n)+)", section, re.M)
    assert len(entries) == len(re.findall(r"^\S", section, re.M))  # no line of another shape
    return {name: (kind_of, default, " ".join(text.split())) for name, kind_of, default, text in entries}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_parameters_and_their_explanations_agree(kind):
    assert set(explained(kind)) == set(kind().get_params())
    for field in fields(kind):
        _, default, _ = explained(kind)[field.name]
        assert eval(default) == field.default, field.name


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_explanation_is_a_sentence_and_no_pointer(kind):
    for name, (_, _, text) in explained(kind).items():
        assert text[0].isupper(), name
        assert text.endswith("."), name
        assert len(text.split()) >= 8, name
        assert not re.match(r"(See|As) ", text), name


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_bases_declare_no_parameters_and_are_few(kind):
    own = [base for base in kind.__mro__ if base.__module__.startswith("myow")]
    assert len(own) <= 4
    for base in own[1:]:
        assert not vars(base).get("__dataclass_fields__")
    assert list(vars(kind)["__annotations__"]) or not fields(kind)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_what_only_repeats_a_release_comes_last(kind):
    names = list(explained(kind))
    releases = [name for name in ("pepper", "pepper_hz", "pepper_apply", "noise_hz", "noise_apply") if name in names]
    assert set(releases) <= set(names[len(names) - len(releases) :])
    assert names[: len(names)] == [field.name for field in fields(kind)]
