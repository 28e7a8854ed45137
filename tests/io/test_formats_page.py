"""Every Python example in docs/formats.md runs by itself, in a folder of its own."""

import importlib
import re
import warnings

import pytest
from places import DOCS

import myow.io
from myow.io import FORMATS, suffixes

PAGE = DOCS / "formats.md"


def blocks():
    """Examples of the page, by the heading that they stand under."""
    heading, found = "", {}
    for match in re.finditer(r"^## ([^\n]+)$|^```python\n(.*?)^```$", PAGE.read_text(), flags=re.M | re.S):
        if match[1]:
            heading = match[1]
        else:
            found[f"{heading} {sum(k.startswith(heading) for k in found)}"] = match[2]
    return found


BLOCKS = blocks()


def test_there_is_an_example_under_every_heading():
    headings = re.findall(r"^## (.+)$", PAGE.read_text(), flags=re.M)
    assert {key.rpartition(" ")[0] for key in BLOCKS} == set(headings)


@pytest.mark.parametrize("suffix", suffixes())
def test_every_ending_is_told_of_and_read_in_an_example(suffix):
    assert re.search(rf"[`( ]\{suffix}[`),]", PAGE.read_text()), f"the page does not tell of {suffix}"
    reads = [text for text in BLOCKS.values() if "myow.read(" in text and re.search(rf"\w\{suffix}\"", text)]
    assert reads, f"no example of the page reads a {suffix} file"


@pytest.mark.parametrize("name", FORMATS)
def test_every_option_is_told_of(name):
    options = importlib.import_module(f"{myow.io.__name__}.{name}").OPTIONS
    assert [one for one in options if not re.search(rf"`{one}[`=]", PAGE.read_text())] == []


@pytest.mark.parametrize("title", BLOCKS)
def test_the_example_runs(title, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(BLOCKS[title], f"formats.md, {title}", "exec"), {"__name__": "example"})
