"""The site: every public name is explained, and what `make docs` builds opens from disk and leads nowhere wrong."""

import importlib
import inspect
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest
from places import DOCS

sys.path.insert(0, str(DOCS / "_ext"))
pytest.importorskip("numpydoc", reason="pip install '.[docs]'")
pytest.importorskip("sphinx", reason="pip install '.[docs]'")
pages = importlib.import_module("pages")

PUBLIC = pages.public_names()


def of_signature(thing):
    parameters = inspect.signature(thing).parameters.values()
    return [p.name for p in parameters if p.name not in ("self", "cls")]


def explained(thing):
    """Parameters that a docstring explains, those that share a line included; `*fractions` is `fractions`."""
    from numpydoc.docscrape import FunctionDoc

    found = {}
    for entry in FunctionDoc(thing, inspect.getdoc(thing) or "")["Parameters"]:
        for name in entry.name.split(","):
            found[name.strip().lstrip("*")] = " ".join(entry.desc)
    return found


@pytest.mark.parametrize("name", [n for n in PUBLIC if n not in ("plot", "plot.label_curves", "Unmined")])
def test_every_parameter_of_a_public_name_has_a_line(name):
    thing = pages.find(f"myow.{name}")
    parts = {name: thing}
    if inspect.isclass(thing):
        for member in pages.members(thing):
            function = getattr(thing, member)
            if callable(function) and function.__module__.startswith("myow"):
                parts[f"{name}.{member}"] = function
    for title, part in parts.items():
        summary = pages.summary(part)
        assert summary, title
        if title == "Evaluation":  # a mapping, which functions return and nobody makes
            continue
        if inspect.isclass(part) and "Parameters\n" not in inspect.getdoc(part):
            continue  # what functions return, and nobody makes
        told, text = explained(part), inspect.getdoc(part)
        # A sentence may do for a method of one parameter, if it names it.
        missing = [p for p in of_signature(part) if p not in told and f"`{p}`" not in text]
        assert not missing, f"{title} says nothing of {missing}"


def test_every_public_name_stands_in_one_group():
    groups = pages.grouped()
    names = [name for group in groups.values() for name in group]
    assert sorted(names) == sorted(set(names)) == sorted(PUBLIC)
    assert "More" not in groups, f"give {groups['More']} a heading in docs/_ext/pages.py"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("myow train FILE --out runs/a --set k=3", None),
        ("myow demo --seed 1 && myow datasets", None),
        ("myow trian FILE", "no command 'trian'"),
        ("myow train FILE --outt runs/a", "no option --outt"),
    ],
)
def test_commands_on_pages_are_checked(line, fault):
    if fault is None:
        pages.check_command(line)
    else:
        with pytest.raises(ValueError, match=fault):
            pages.check_command(line)


def test_the_command_line_reference_names_every_command_and_option():
    import typer.main

    text = pages.command_page()
    for name, command in typer.main.get_command(pages.commands).commands.items():
        assert f"## myow {name}\n" in text
        for parameter in command.params:
            if parameter.param_type_name == "option" and not parameter.hidden:
                assert ", ".join(parameter.opts) in text


class Page(HTMLParser):
    """What a page loads, where it leads, and which places it has."""

    def __init__(self, path):
        super().__init__()
        self.loads, self.links, self.places = [], [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.places |= {found[key] for key in ("id", "name") if found.get(key)}
        if tag in ("script", "img", "iframe", "source") and found.get("src"):
            self.loads.append(found["src"])
        if tag == "link" and found.get("rel") not in ("canonical", "author"):
            self.loads.append(found.get("href", ""))
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_site_builds_offline_and_every_link_in_it_leads_somewhere(tmp_path):
    site = tmp_path / "site"
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-E", "-j", "2"]
    command += ["-d", str(tmp_path / "doctrees"), "-b", "html", str(DOCS), str(site)]
    # A proxy that nobody answers at: what would be fetched ends the build.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | nowhere)
    assert done.returncode == 0, done.stderr[-4000:]

    built = {path: Page(path) for path in site.rglob("*.html") if "_static" not in path.parts}
    for name in PUBLIC:
        assert site / "reference" / "api" / f"myow.{name}.html" in built, name
    wrong = []
    for path, page in built.items():
        shown = path.relative_to(site)
        wrong += [
            f"{shown} loads {url}" for url in page.loads if urlsplit(url).scheme in ("http", "https") or url[:2] == "//"
        ]
        for url in (*page.links, *page.loads):
            parts = urlsplit(url)
            if parts.scheme or not (parts.path or parts.fragment):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                wrong.append(f"{shown} leads to {url}, which is not there")
            elif parts.fragment and target in built and unquote(parts.fragment) not in built[target].places:
                wrong.append(f"{shown} leads to {url}, and there is no such place")
    assert not wrong, "\n".join(wrong[:20])

    for tutorial in sorted((DOCS.parent / "examples").glob("*.py")):
        text = (site / "tutorials" / f"{tutorial.stem}.html").read_text()
        figures = len(re.findall(r'class\s*=\s*"sphx-glr-(?:single|multi)-img"', text))
        assert figures, tutorial.name
        assert text.count("How to read it.") >= figures, (
            f"{tutorial.name}: a figure without a sentence on how to read it"
        )
