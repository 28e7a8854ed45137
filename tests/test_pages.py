"""The examples of the pages in docs/ and of the README run as they stand, those of a page one after the other.

Those of docs/formats.md, each of which runs by itself, are tested in tests/io; docs/images.md trains for minutes.
"""

import importlib.util
import re
import shlex
import subprocess
import sys

import pytest
from places import BENCHMARKS, DOCS
from tiny import reach

from myow.io.npz import write_npz

README = DOCS.parent / "README.md"
PAGES = {
    "big": "",
    "evaluation": "simulated-reach: direction, class readout, all labels, 3 folds",
    "live": "(1, 64) 0.1 174",
    "models": "# MYOW of simulated-sleep",
    "sessions": "(269, 64) ['monday', 'tuesday', 'later']",
    "howto/choose": "bins of 0.1 s, context=(2, 2)",
    "howto/export": "['time', 'segment', 'pca0', 'pca1']",
    "howto/from-cebra": "",
    "howto/from-pca-umap": "PCA 0.",
    "howto/gpu": "",
    "howto/gridsearch": "{'embed__noise': ",
    "howto/resume": "",
}
"""What the examples of each page print, to begin with."""


def blocks_of(path):
    return re.findall(r"```python\n(.*?)```", path.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_examples_run(page, tmp_path, monkeypatch, capsys):
    if page == "live":
        pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    blocks = blocks_of(DOCS / f"{page}.md")
    assert blocks
    names = {}
    for block in blocks:
        exec(block, names)
    assert capsys.readouterr().out.startswith(PAGES[page])


def test_every_page_with_examples_is_tested_somewhere():
    pages = [path for path in DOCS.rglob("*.md") if "```python" in path.read_text()]
    names = {path.relative_to(DOCS).with_suffix("").as_posix() for path in pages}
    assert names == {*PAGES, "start", "formats", "images"}


@pytest.mark.parametrize("path", [README, DOCS / "start.md"], ids=lambda path: path.name)
def test_ten_lines_of_python_run_on_files_as_a_lab_has_them(path, tmp_path, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("first_minutes", BENCHMARKS / "first_minutes.py")
    first_minutes = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(first_minutes)
    first_minutes.write_session(tmp_path, 20, 48)
    monkeypatch.chdir(tmp_path)
    (block,) = blocks_of(path)
    assert "random_state=0)" in block
    exec(block.replace("MYOW(context=(2, 2), random_state=0)", "MYOW(context=(2, 2), random_state=0, steps=20)"), {})
    assert "direction, class readout, 1 labelled" in capsys.readouterr().out


def test_the_readme_is_one_screen_and_its_links_lead_somewhere():
    text = README.read_text()
    assert len(text.splitlines()) <= 100
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert [
        link for link in links if not link.startswith("https://arxiv.org/") and not (DOCS.parent / link).exists()
    ] == []
    targets = re.findall(r"^([a-z-]+):", (DOCS.parent / "Makefile").read_text(), flags=re.MULTILINE)
    assert {line.split()[1] for line in text.splitlines() if line.startswith("    make ")} <= set(targets)


@pytest.mark.slow
def test_the_readmes_commands_run(tmp_path):
    write_npz(tmp_path / "session.npz", reach(n_segments=48))
    lines = re.findall(r"^    (myow .*)$", README.read_text(), flags=re.MULTILINE)
    assert {line.split()[1] for line in lines} == {"demo", "inspect", "train", "evaluate", "embed"}
    for line in lines:
        done = subprocess.run(
            [sys.executable, "-m", *shlex.split(line)], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    assert (tmp_path / "z.npz").exists()
