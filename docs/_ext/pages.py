"""What the site needs beside its pages: the reference from the code, checks of code blocks, figures, formulas."""

from __future__ import annotations

import ast
import functools
import html
import importlib
import inspect
import io
import re
import shlex
import textwrap
from pathlib import Path
from typing import Any

import typer.main
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

import myow
from myow.cli.commands import app as commands

LOG = logging.getLogger(__name__)

GROUPS = {
    "Recordings": ["Recording", "read", "load", "inspect", "open_recording", "write_stored", "suggest"],
    "Methods that learn without labels": ["MYOW", "BYOL", "SimCLR", "RP", "TS", "Autoencoder", "Unmined"],
    "Methods that take no training, or labels": [
        "Raw", "PCA", "FA", "Untrained", "LDA", "PoissonNB", "PiVAE", "Supervised",
    ],
    "Images": ["Images", "ImageMYOW", "ImageBYOL", "ImageSimCLR", "evaluate_images"],
    "Evaluation": ["evaluate", "Evaluation", "report", "consistency", "importance"],
    "Embeddings": ["Embedding", "embed", "write", "read_embedding"],
    "Models": ["load_model", "push_to_hub", "pull_from_hub"],
    "Figures": ["plot", *(f"plot.{name}" for name in myow.plot.__all__)],
}  # fmt: skip
"""Public names by what they are for. What has been added since stands under "More"."""
RESULTS = [
    "myow.evaluation.stability.Consistency",
    "myow.evaluation.stability.Importance",
    "myow.methods.deploy.Stream",
    "myow.methods.recordings.Suggestion",
]
"""What public functions return, and nobody makes by hand."""

LONGEST = 8  # parameters, above which a signature is cut; the list below it holds them all


def public_names() -> list[str]:
    """Return the names that are promised: those of `myow`, and its figures."""
    names = [name for name in dir(myow) if name != "__version__"]
    return [*names, *(f"plot.{name}" for name in myow.plot.__all__)]


def grouped() -> dict[str, list[str]]:
    """Return the public names under their headings."""
    known, there = {name for names in GROUPS.values() for name in names}, public_names()
    groups = {title: [name for name in names if name in there] for title, names in GROUPS.items()}
    more = [name for name in there if name not in known]
    return groups | ({"More": more} if more else {})


def find(path: str) -> Any:
    """Return what a dotted path names."""
    parts = path.split(".")
    for n in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:n]))
        except ModuleNotFoundError:
            continue
        for part in parts[n:]:
            found = getattr(found, part)
        return found
    raise LookupError(path)


def summary(thing: Any) -> str:
    """Return the first sentence of a docstring, in one line."""
    first = (inspect.getdoc(thing) or "").split("\n\n")[0]
    return " ".join(first.split())


def members(kind: type) -> list[str]:
    """Return the public methods and properties of a class that are our own, those of its bases included."""
    found = {}
    for base in reversed(kind.__mro__):
        if base.__module__.partition(".")[0] == "myow":
            for name, thing in vars(base).items():
                is_member = inspect.isfunction(thing) or isinstance(thing, (property, classmethod, staticmethod))
                if is_member and not name.startswith("_") and inspect.getdoc(getattr(kind, name)):
                    found[name] = None
    return list(found)


def api_page(path: str) -> str:
    """Return the page of one public name, in reStructuredText."""
    thing, title = find(path), path.removeprefix("myow.") if path.count(".") < 3 else path.rpartition(".")[2]
    lines = [title, "=" * len(title), ""]
    if inspect.ismodule(thing):
        lines += [f".. automodule:: {path}", "", ".. list-table::", "   :widths: 30 70", ""]
        for name in thing.__all__:
            lines += [f"   * - :doc:`{name} <{path}.{name}>`", f"     - {summary(getattr(thing, name))}"]
    elif inspect.isclass(thing):
        lines += [f".. autoclass:: {path}"]
        for name in members(thing):
            kind = "property" if isinstance(inspect.getattr_static(thing, name), property) else "method"
            lines += ["", f"   .. auto{kind}:: {path}.{name}"]
    else:
        lines += [f".. autofunction:: {path}"]
    return "\n".join([*lines, ""])


def api_index() -> str:
    """Return the list of public names, in reStructuredText."""
    lines = [
        "Python", "======", "",
        "These names are the promise: they keep their meaning within a minor version. A name that goes, or a parameter,",
        "first warns for one minor version and says what to use instead; :doc:`the changes </changes>` name it. Before",
        "version 1.0 nothing is released, and names may still change; the changes say so. Modules below ``myow``, and",
        "names that begin with an underscore, are not promised.", "",
        "``myow.__version__`` is the version. Errors derive from ``myow.errors.MyowError``, whose message says in one",
        "line what was found, what was expected, and what to do.", "",
    ]  # fmt: skip
    hidden = []
    for title, names in [*grouped().items(), ("What functions return", RESULTS)]:
        lines += [title, "-" * len(title), "", ".. list-table::", "   :widths: 30 70", ""]
        for name in names:
            path = name if name.startswith("myow.") else f"myow.{name}"
            shown = path.rpartition(".")[2] if name.startswith("myow.") else name
            lines += [f"   * - :doc:`{shown} <{path}>`", f"     - {summary(find(path))}"]
            hidden.append(path)
        lines.append("")
    return "\n".join([*lines, ".. toctree::", "   :hidden:", "", *(f"   {path}" for path in hidden), ""])


def _option(parameter: Any) -> tuple[str, str]:
    """Return how an option or argument is written, and what it does."""
    metavar = parameter.metavar or ("" if getattr(parameter, "is_flag", False) else "VALUE")
    if parameter.param_type_name == "argument":
        written = metavar if parameter.required else f"[{metavar}]"
    else:
        written = ", ".join(parameter.opts) + (f" {metavar}" if metavar else "")
    said = " ".join((parameter.help or "").split())
    shown, default = getattr(parameter, "show_default", True), parameter.default
    if isinstance(shown, str):
        said += f" Default: {shown}."
    elif (
        shown
        and default not in (None, False, [], "")
        and not callable(default)
        and parameter.param_type_name == "option"
    ):
        said += f" Default: {default}."
    if parameter.required and parameter.param_type_name == "option":
        said += " Required."
    return written, said


def command_page() -> str:
    """Return the reference of the command line, in Markdown, from the commands themselves."""
    group = typer.main.get_command(commands)
    lines = [
        "# Command line", "",
        "`myow COMMAND -h` prints the same in a terminal. `myow --version` prints the version, and",
        "`myow --install-completion` lets the shell complete commands and options. An error is one line on standard error",
        "and exit code 1. `myow settings METHOD` explains every setting that `--set` takes.", "",
    ]  # fmt: skip
    for name, command in group.commands.items():
        parameters = [p for p in command.params if not getattr(p, "hidden", False)]
        needed = " ".join(_option(p)[0] for p in parameters if p.param_type_name == "argument" or p.required)
        lines += [f"## myow {name}", "", inspect.cleandoc(command.help or ""), ""]
        lines += ["```text", f"myow {name} {needed}".rstrip() + " [OPTIONS]", "```", ""]
        for parameter in parameters:
            written, said = _option(parameter)
            lines += [f"`{written}`", f": {said}", ""]
    return "\n".join(lines)


def write_reference(app: Sphinx) -> None:
    """Write the pages that follow from the code; a page that says the same is left alone, so that a rebuild is short."""
    home = Path(app.srcdir) / "reference"
    pages = {"api/index.rst": api_index(), "commands.md": command_page()}
    for name in [*public_names(), *RESULTS]:
        path = name if name.startswith("myow.") else f"myow.{name}"
        pages[f"api/{path}.rst"] = api_page(path)
    (home / "api").mkdir(exist_ok=True)
    for old in (home / "api").glob("*.rst"):
        if f"api/{old.name}" not in pages:
            old.unlink()
    for name, text in pages.items():
        path = home / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def shorten(app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returned: Any) -> Any:
    """Cut a signature of dozens of parameters: the list below it explains each."""
    if signature is None or what not in ("class", "function", "method"):
        return None
    try:
        parameters = list(inspect.signature(obj).parameters.values())
    except (TypeError, ValueError):
        return None
    if what != "class" or len(parameters) <= LONGEST:
        return None
    shown = [str(p.replace(annotation=inspect.Parameter.empty)) for p in parameters[:3]]
    return f"(*, {', '.join(shown)}, ...)", returned


def check_command(line: str) -> None:
    """Raise ValueError if a line is no command of ours: an unknown command or option, or one that lacks its value."""
    group = typer.main.get_command(commands)
    words = shlex.split(line, comments=True)[1:]
    for end in ("|", ">", "&&", ";", "&"):
        words = words[: words.index(end)] if end in words else words
    if not words or words[0] in ("--version", "-V", "-h", "--help", "--install-completion"):
        return
    if words[0].isupper():  # a word that stands for any command
        return
    command = group.commands.get(words[0])
    if command is None:
        raise ValueError(f"there is no command '{words[0]}'")
    known = {name for parameter in command.params for name in parameter.opts} | {"-h", "--help"}
    for word in words[1:]:
        if word.startswith("--") and word.partition("=")[0] not in known:
            raise ValueError(f"'myow {words[0]}' has no option {word}")


def check_code(app: Sphinx, doctree: nodes.document) -> None:
    """Warn, which ends the build, of Python that does not parse and of commands that do not exist."""
    for block in doctree.findall(nodes.literal_block):
        text, language = block.astext(), block.get("language", "")
        if language in ("python", "py", "Python"):
            try:
                ast.parse(textwrap.dedent(text))
            except SyntaxError as error:
                LOG.warning("a Python block does not parse: %s", error, location=block)
        for line in re.sub(r"\\\n\s*", " ", text).splitlines():
            found = re.match(r"(?:\$ )?(?:[A-Z_]+=\S+ )*(myow [A-Za-z-].*)", line.strip())
            if found and language != "pytb" and not re.match(r"myow [\d,(]|myow on |myow with ", found[1]):
                try:
                    check_command(found[1])
                except ValueError as error:
                    LOG.warning("%s: %s", error, line.strip(), location=block)


def take_figures(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Save the figures that a block of a tutorial made, for sphinx-gallery; `myow.plot` keeps none of them open."""
    from matplotlib.figure import Figure
    from sphinx_gallery.scrapers import figure_rst

    paths = []
    for thing in list(block_vars["example_globals"].values()):
        if isinstance(thing, Figure) and not getattr(thing, "on_page", False):
            thing.on_page = True
            path = next(block_vars["image_path_iterator"])
            thing.savefig(path, dpi=110, bbox_inches="tight")
            paths.append(path)
    return figure_rst(paths, gallery_conf["src_dir"])


@functools.cache
def drawn(formula: str) -> str:
    """Return a formula as SVG that takes the colour of the text around it."""
    from matplotlib import rc_context
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import math_to_image

    written = re.sub(r"\\(le|ge|ne)(?![a-z])", r"\\\1q", formula)  # as matplotlib spells them
    with rc_context({"mathtext.fontset": "dejavusans", "svg.fonttype": "path", "svg.hashsalt": "myow"}):
        picture = io.BytesIO()
        depth = math_to_image(f"${written}$", picture, prop=FontProperties(size=12), format="svg", color="#010203")
    text = picture.getvalue().decode()
    text = text[text.index("<svg") :].replace("#010203", "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="patch_1">.*?</g>', "", text, count=1, flags=re.DOTALL)  # the ground, white
    label = html.escape(formula, quote=True)
    style = f"vertical-align: {-depth:.1f}pt"
    return text.replace("<svg", f'<svg class="formula" role="img" aria-label="{label}" style="{style}"', 1)


def visit_math(translator: Any, node: nodes.Element) -> None:
    """Write a formula into the page."""
    translator.body.append(drawn(node.astext()))
    raise nodes.SkipNode


def visit_math_block(translator: Any, node: nodes.Element) -> None:
    """Write a formula on a line of its own."""
    translator.body.append(f'<p class="formula-block">{drawn(node.astext())}</p>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Add all of this to Sphinx."""
    app.connect("builder-inited", write_reference)
    app.connect("autodoc-process-signature", shorten)
    app.connect("doctree-read", check_code)
    app.add_html_math_renderer("pages", inline_renderers=(visit_math, None), block_renderers=(visit_math_block, None))
    return {"version": myow.__version__, "parallel_read_safe": True, "parallel_write_safe": True}
