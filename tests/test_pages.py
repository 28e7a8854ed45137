"""The examples of the pages in docs/ run as they stand, those of a page one after the other.

Those of docs/formats.md, each of which runs by itself, are tested in tests/io; docs/images.md and the README train for minutes.
"""

import re

import pytest
from places import DOCS

PAGES = {
    "big": "",
    "evaluation": "simulated-reach: direction, class readout, all labels, 3 folds",
    "live": "(1, 64) 0.1 174",
    "models": "# MYOW of simulated-sleep",
    "sessions": "(269, 64) ['monday', 'tuesday', 'later']",
}
"""What the examples of each page print, to begin with."""


@pytest.mark.parametrize("page", PAGES)
def test_examples_run(page, tmp_path, monkeypatch, capsys):
    if page == "live":
        pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / f"{page}.md").read_text(), flags=re.DOTALL)
    assert blocks
    names = {}
    for block in blocks:
        exec(block, names)
    assert capsys.readouterr().out.startswith(PAGES[page])


def test_every_page_with_examples_is_tested_somewhere():
    with_examples = {path.stem for path in DOCS.glob("*.md") if "```python" in path.read_text()}
    assert with_examples == {*PAGES, "formats", "images"}
