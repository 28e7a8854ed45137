"""What commands share: options, settings explained, what is printed, and how a command ends when it is stopped."""

from __future__ import annotations

import ast
import inspect
import json
import pkgutil
import re
import shlex
import signal
import sys
import textwrap
import threading
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import methods as registry
from ..errors import FileError, SettingError, unknown_name
from ..methods import IMAGE_METHODS, METHODS, VARIANTS
from ..methods.presets import IMAGE_PRESETS, PRESETS

__all__ = [
    "METHOD_NAMES",
    "PRESET_NAMES",
    "AsJson",
    "Classifier",
    "Config",
    "Data",
    "Device",
    "Folder",
    "LoadOptions",
    "NoReport",
    "Out",
    "Overwrite",
    "Quiet",
    "ReadoutEpochs",
    "Resume",
    "Seed",
    "Session",
    "Stop",
    "check_seed",
    "explain_method",
    "list_methods",
    "print_cards",
    "print_demo",
    "print_ending",
    "print_evaluation",
    "stopped",
    "stopping",
]

# SIGTERM comes from schedulers, containers and `kill`; SIGHUP when the terminal is closed or a connection is lost.
ASKING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stop:
    """A request to stop.

    Attributes
    ----------
    code : int
        Exit code that tells which signal came, 0 if none did.
    """

    code = 0

    def asked(self, number: int, frame: Any) -> None:
        """Stop once; some senders ask twice, and the second must not disturb the keeping of what was reached."""
        if not self.code:
            self.code = 128 + number
            raise KeyboardInterrupt


@contextmanager
def stopping() -> Iterator[Stop]:
    """Turn requests to end into `KeyboardInterrupt` for a while, unless someone else attends to them.

    Yields
    ------
    Stop
        Says afterwards whether one came.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    taken = [number for number in ASKING if signal.getsignal(number) is signal.SIG_DFL]  # under nohup it is ignored
    for number in taken:
        signal.signal(number, stop.asked)
    try:
        yield stop
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


METHOD_NAMES = sorted({*METHODS, *VARIANTS, *IMAGE_METHODS})
PRESET_NAMES = [*PRESETS, *IMAGE_PRESETS]


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Take what a TOML file says as the defaults of a command: its arguments and options by name, settings in a table ``set``.

    Options of the file that is read (``--data``) stand in a table ``load`` where ``data`` names that file, else in ``data``.

    Raises
    ------
    FileError
        If the file cannot be read.
    SettingError, UnknownNameError
        If it says what the command does not take.
    """
    if path is None:
        return None
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"{path} cannot be read ({error.strerror})") from error
    except ValueError as error:  # of TOML, or of letters
        raise FileError(f"{path} is no TOML file ({error})") from error
    known: dict[str, Any] = {}
    for one in context.command.params:
        known |= {option.removeprefix("--"): one for option in one.opts if option.startswith("--")}
    known = {name: one for name, one in known.items() if name not in ("config", "help")}
    arguments = {str(one.name): one for one in context.command.params if one.param_type_name == "argument"}
    if "data" in known and "data" in arguments:  # the option has a table of another name
        known["load"] = known.pop("data")
    defaults: dict[str, Any] = {}
    for key, value in found.items():
        parameter = known.get(key) or arguments.get(key)
        if parameter is None:
            raise unknown_name(f"option of {context.command.name} in {path}", key, [*known, *arguments])
        is_flag, several = getattr(parameter, "is_flag", False), getattr(parameter, "multiple", False)
        if isinstance(value, dict) and several and key in ("set", "data", "load"):
            value = [f"{name}={_text(each)}" for name, each in value.items()]
        elif several and isinstance(value, list):
            value = [_text(each) for each in value]
        elif isinstance(value, bool) is not is_flag or isinstance(value, dict):
            kind = "true or false" if is_flag else "a value, as on the command line"
            raise SettingError(f"{key} in {path} is {value!r}; it must be {kind}")
        elif not is_flag:
            value = [_text(value)] if several else _text(value)
        defaults[str(parameter.name)] = value
    context.default_map = {**(context.default_map or {}), **defaults}
    return path


def _text(value: Any) -> str:
    """Write a value of TOML as on the command line.

    Examples
    --------
    >>> _text([64, 64]), _text(True), _text(0.5)
    ('64,64', 'true', '0.5')
    """
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def check_seed(value: int) -> int:
    """Refuse a seed that no generator takes; ranges in the help would widen it."""
    if not 0 <= value < 2**32:
        raise typer.BadParameter("a seed is a whole number from 0 to 2**32 - 1")
    return value


def list_methods(*, as_json: bool) -> str:
    """Return all methods with their first sentences, and all presets."""
    found = [(name, place, "recordings") for name, place in sorted(METHODS.items())]
    found += [(name, place, "images") for name, place in sorted(IMAGE_METHODS.items())]
    rows = [
        {"method": name, "learns from": data, "summary": _docstring(place).split("\n\n")[0].replace("\n", " ")}
        for name, place, data in found
    ]
    variants = {name: [of, _written(setting)] for name, (of, setting) in VARIANTS.items()}
    presets = {"recordings": list(PRESETS), "images": list(IMAGE_PRESETS)}
    if as_json:
        return json.dumps({"methods": rows, "variants": variants, "presets": presets})
    lines = []
    for data in ("recordings", "images"):
        lines.append(
            f"Methods for {data}" + (", which --method takes:" if data == "recordings" else ", by the same names:")
        )
        lines += [_wrapped(f"  {row['method']:<12} {row['summary']}", 15) for row in rows if row["learns from"] == data]
        lines += [f"  {name:<12} {of} with {said}." for name, (of, said) in variants.items() if data == "recordings"]
        lines += [_wrapped(f"Presets: {', '.join(presets[data])}.", 0), ""]
    return "\n".join([*lines, "'myow settings METHOD' explains each setting, with its default."])


def explain_method(method: str, preset: str | None, images: bool, *, as_json: bool) -> str:
    """Return every setting of a method with its default, or the value that a preset gives it, and its explanation.

    Raises
    ------
    UnknownNameError
        If there is no such method or preset.
    """
    table = IMAGE_METHODS if images else METHODS
    of, fixed = (method, {}) if images else VARIANTS.get(method, (method, {}))
    if of not in table:
        raise unknown_name("method for images" if images else "method", method, [*table, *({} if images else VARIANTS)])
    presets = IMAGE_PRESETS if images else PRESETS
    if preset is not None and preset not in presets:
        raise unknown_name("preset", preset, presets)
    docstring = _docstring(table[of])
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n-{3,}$|\Z)", docstring, re.M | re.S)
    entries = re.findall(r"^(\w+) : (.+), default (.+)\n((?:    .*\n?|\n)+)", section[1] if section else "", re.M)
    chosen = fixed | (presets[preset] if preset else {})
    rows = [
        {
            "setting": name,
            "type": kind,
            "default": ast.literal_eval(default),
            **({"preset": chosen[name]} if name in chosen else {}),
            "help": " ".join(text.replace("`", "").split()),
        }
        for name, kind, default, text in entries
    ]
    if as_json:
        return json.dumps(rows)
    options = {"random_state": "--seed", "device": "--device", "context": "--context"}
    lines = [_wrapped(f"{method}: {' '.join(docstring.split(chr(10) * 2)[0].split())}", 0), ""]
    for row in rows:
        value = _written({row["setting"]: row.get("preset", row["default"])})
        instead = f", given by {options[row['setting']]}" if row["setting"] in options else ""
        default = f"; default {_written({'': row['default']})[1:]}" if "preset" in row else ""
        lines += [
            _wrapped(f"{value}  ({row['type']}{default}{instead})", 4),
            textwrap.indent(_wrapped(row["help"], 0, 76), "    "),
        ]
    return "\n".join(lines)


def _docstring(place: str) -> str:
    """Return the docstring of a method's class, from its source: to import the class takes seconds."""
    module, name = place.split(".")
    source = pkgutil.get_data(registry.__name__, f"{module}.py") or b""
    found = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == name]
    return inspect.cleandoc(ast.get_docstring(found[0]) or "")


def _written(settings: dict[str, Any]) -> str:
    """Write settings as --set takes them.

    Examples
    --------
    >>> _written({"hidden": (64, 64), "symmetric": False, "k": None})
    'hidden=64,64 symmetric=false k=none'
    """
    return " ".join(
        f"{name}={_text(list(value) if isinstance(value, tuple) else 'none' if value is None else value)}"
        for name, value in settings.items()
    )


def _wrapped(text: str, indent: int, width: int = 80) -> str:
    return textwrap.fill(text, width, subsequent_indent=" " * indent, break_on_hyphens=False)


Data = Annotated[
    str, typer.Argument(metavar="DATA", help="A dataset's name (see 'myow datasets') or a file.", show_default=False)
]
Folder = Annotated[Path, typer.Argument(metavar="RUN", help="A folder that 'myow train' wrote.", show_default=False)]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder to write to.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object, and nothing else, on stdout.")]
Seed = Annotated[
    int, typer.Option(metavar="N", help="Seed of weights, batches and augmentations.", callback=check_seed)
]
Device = Annotated[str, typer.Option(metavar="NAME", help="cpu, cuda, ... or auto.")]
NoReport = Annotated[
    bool, typer.Option("--no-report", metavar="", help="Write no report.html into the folder: some seconds less.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", metavar="", help="Show no progress bar.")]
Resume = Annotated[bool, typer.Option("--resume", metavar="", help="Go on from what the folder holds.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", metavar="", help="Replace the run that the folder holds.")]
ReadoutEpochs = Annotated[int, typer.Option(metavar="N", help="Epochs of the linear readout of images.", min=1)]
Session = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Of a model of several sessions: whose units these are.", show_default="the one that fits"
    ),
]
Classifier = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Of readout class: logistic, lda (its covariance shrunk), or auto, the better on validation rows.",
    ),
]
LoadOptions = Annotated[
    list[str],
    typer.Option(
        "--data", metavar="KEY=VALUE", help="Option of the dataset or file; may be repeated.", show_default=False
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help='TOML file of these options by name, settings in a table "set"; the command line decides.',
        show_default=False,
        is_eager=True,
        callback=read_config,
    ),
]


def print_ending(message: str, out: Path, evaluated: Sequence[str], then: Sequence[str]) -> None:
    """Print what a training did, the files beside its model, and the two commands that people type next."""
    names = sorted(path.name for path in out.iterdir() if path.is_file() and not path.name.endswith((".lock", ".png")))
    beside = [name for name in names if name not in ("model.myow", "checkpoint.safetensors")]
    drawn = len(list(out.glob("*.png")))
    print(message)
    print(_wrapped(f"beside it: {', '.join([*beside, *([f'{drawn} figures (*.png)'] if drawn else [])])}", 2))
    for word, words in (("next:", ["evaluate", str(out), *evaluated]), ("     ", then)):
        print(f"{word} {shlex.join(['myow', *words])}")


def print_demo(found: Mapping[str, Any], out: Path) -> None:
    """Print what the demo found: both evaluations beside each other, the verdict, the files, what to type next."""
    from ..figures.style import BASELINES

    few, every = found["evaluations"]
    key = "accuracy" if few["accuracy"] is not None else "r2"
    rows = {f"{few['method'].upper()}, without labels": (few, every)}
    rows |= {title: (few[name], every[name]) for name, title in BASELINES.items()}
    some = f"one labelled {'trial' if few['label_unit'] == 'segment' else few['label_unit']} a {few['target']}"
    print(found["trained"])
    print(
        f"\n{few['target']} in windows of {sum(few['context']) + 1} bins, {key} on {few['n_test']} test bins, read from"
    )
    print(f"  {'':<24}{some:>36}{'all labels':>14}")
    for title, (one, other) in rows.items():
        print(f"  {title:<24}{one[key]:>36.3f}{other[key]:>14.3f}")
    if few["majority"] is not None:
        print(f"  {'always the commonest':<24}{few['majority']:>36.3f}{every['majority']:>14.3f}")
    print()
    for sentence in found["verdict"]:
        print(textwrap.fill(sentence, 80))
    names = ", ".join(Path(path).name for path in found["pictures"])
    print(f"\n{_wrapped(f'Figures in {out}: {names}', 2)}")
    if (out / "report.html").exists():
        print(f"Look at it all in a browser: {out / 'report.html'}")
    print("Another recording gains more or less: myow demo --seed 1. Yours:")
    for words in ("inspect FILE", "train FILE --out runs/mine --context 2,2", "evaluate runs/mine --labels 1"):
        print(f"  myow {words}")


def print_evaluation(result: Mapping[str, Any]) -> None:
    """Print an evaluation: the embedding and what it is compared with, a row each."""
    from rich.console import Console
    from rich.table import Table

    from ..evaluation.result import BASELINES, METRIC_TITLES, readout_title

    options = {key: result[key] for key in ("classifier", "semi_supervised") if key in result}
    few = "all labels" if result["labels"] is None else f"{result['labels']} labelled per class"
    table = Table(
        title=f"{result['dataset']}: {result['target']}, {readout_title(result['readout'], **options)}, {few}, {result['n_test']} test bins",
        title_justify="left",
    )
    shown = [key for key in METRIC_TITLES if result[key] is not None]
    table.add_column("")
    for key in shown:
        table.add_column(METRIC_TITLES[key], justify="right")
    table.add_column("95 % interval", justify="right")
    rows = {f"{result['method']} embedding": result}
    rows |= {title: result[name] for name, title in BASELINES.items()}
    for name, row in rows.items():
        interval = "" if row["interval"] is None else f"{row['interval'][0]:.3f} to {row['interval'][1]:.3f}"
        table.add_row(name, *(f"{row[key]:.3f}" for key in shown), interval)
    if result["majority"] is not None and "accuracy" in shown:
        table.add_row("majority class", f"{result['majority']:.3f}", *[""] * (len(shown) - 1), "")
    console = Console()
    console.print(table)
    fitted = {"readouts": result.get("readout_rows"), "principal components": result.get("pca_rows")}
    some = [f"{what} on {rows['used']:,} of {rows['of']:,}" for what, rows in fitted.items() if rows]
    if some:
        console.print(
            f"Fitted on evenly spaced bins: {', '.join(some)}. All {result['n_test']:,} test bins are scored.",
            highlight=False,
        )


def print_cards(cards: Sequence[Mapping[str, Any]]) -> None:
    """Print what there is to load: a table of recordings and one of images."""
    recordings = [("recordings", "kind", "units", "bins", "bin (s)", "segments", "at hand", "licence")]
    images = [("images", "kind", "training", "test", "pixels", "classes", "at hand", "licence")]
    for card in cards:
        ends = "yes" if card["available"] else "no", card["licence"]
        if card["data"] == "images":
            counts = str(card["train"]), str(card["test"]), "x".join(map(str, card["size"])), str(card["classes"])
            images.append((card["name"], card["kind"], *counts, *ends))
        else:
            bins = "?" if card["bins"] is None else str(card["bins"])
            shape = str(card["units"]), bins, f"{card['bin_size']:g}", str(card["segments"])
            recordings.append((card["name"], card["kind"], *shape, *ends))
    print("\n\n".join(_aligned(rows) for rows in (recordings, images) if len(rows) > 1))


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    """Lay out a table: names to the left, what is between to the right, and the last column as wide as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    last = sum(widths[:-1]) + 2 * len(widths[:-1])
    lines = []
    for row in rows:
        cells = [cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))]
        lines.append(_wrapped("  ".join([*cells[:-1], row[-1]]), last))
    return "\n".join(lines)


@contextmanager
def stopped(kept: str) -> Iterator[None]:
    """End with exit code 130 and a line that says what was kept: that of the interrupt, if it says so itself."""
    try:
        yield
    except KeyboardInterrupt as stop:
        print(str(stop) or kept, file=sys.stderr)
        raise typer.Exit(130) from None
