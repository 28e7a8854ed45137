"""The examples of the pages on live use and on model files run as they stand."""

import re

import pytest
from places import DOCS


@pytest.mark.parametrize("page", ["live", "models"])
def test_examples_run(page, tmp_path, monkeypatch, capsys):
    if page == "live":
        pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / f"{page}.md").read_text(), flags=re.DOTALL)
    assert blocks
    names = {}
    for block in blocks:
        exec(block, names)
    out = capsys.readouterr().out
    assert out.startswith({"live": "(1, 64) 0.1 174", "models": "# MYOW of simulated-sleep"}[page])
