"""One HTML page that needs nothing else: charts as SVG, arrays packed into text, and all foreign text escaped."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import io
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from ..data.recording import Recording
from ..data.rows import group_runs
from ..errors import MyowError
from ..io.files import writing
from . import embedding, style
from .run_figures import MOST_VALUES, OpenRun

__all__ = [
    "PARTS",
    "Packed",
    "Report",
    "as_json",
    "coloured",
    "cut_homes",
    "data_of",
    "explorer",
    "levels",
    "nearest",
    "packed_size",
    "picture",
    "put_activity",
    "put_label",
    "put_plane",
    "render",
    "still_of",
    "svg",
    "table_of",
    "without_home",
]

ROOM = 500_000  # characters of the page for the activity of every bin
MOST_NEAR = 5_000  # up to which neighbours are found in all dimensions
MOST_LABELS = 12
PARTS = ("training", "validation", "test", "none of the three")
ROOM_OF_LABELS = 700_000  # bytes of all labels
MOST_SHAPES = 1500  # of one chart; more marks are drawn as pixels, which take less room

# What stands for the colours of figures on the page, so that they turn with it.
THEMED = {
    style.INK: "var(--ink)",
    "#000000": "var(--ink)",
    style.MUTED: "var(--muted)",
    style.FAINT: "var(--faint)",
    style.ACCENT: "var(--accent)",
    "#555555": "var(--grey)",
}
HOMES = re.compile(r"(?:/home|/Users)/[^/\s\"'<>]+|[A-Za-z]:[\\/]Users[\\/][^\\/\s\"'<>]+")


@cache
def _own_home() -> re.Pattern[str]:
    home = str(Path.home())
    return re.compile(rf"{re.escape(home)}(?=[\\/]|$|[\s\"',;:)])") if len(home) > 1 else re.compile(r"(?!)")


def without_home(text: str) -> str:
    r"""Cut home folders, which name people, out of a text.

    Examples
    --------
    >>> without_home("train /home/ann/data/a.npz"), without_home("/Users/ann/x"), without_home(r"C:\Users\ann\x")
    ('train ~/data/a.npz', '~/x', '~\\x')
    """
    return HOMES.sub("~", _own_home().sub("~", text))


def cut_homes(content: Any) -> Any:
    """Cut home folders out of every text inside."""
    if isinstance(content, str):
        return content if isinstance(content, Markup) else without_home(content)
    if isinstance(content, Mapping):
        return {cut_homes(key): cut_homes(value) for key, value in content.items()}
    return [cut_homes(one) for one in content] if isinstance(content, (list, tuple)) else content


def as_json(content: Any) -> Markup:
    r"""Write JSON that may stand inside a script: no text in it can close the element.

    Examples
    --------
    >>> print(as_json({"name": "</script><script>"}))
    {"name":"\u003c/script\u003e\u003cscript\u003e"}
    """
    text = json.dumps(cut_homes(content), allow_nan=False, separators=(",", ":"))
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)


_numbers = itertools.count()


def svg(figure: Figure, alt: str, *, themed: bool = True, number: int | None = None) -> Markup:
    """Turn a figure into SVG that stands inside a page: text stays text, and colours follow the page.

    Parameters
    ----------
    figure : Figure
        From one of the ``draw`` functions.
    alt : str
        What it shows, for whoever cannot see it.
    themed : bool, optional
        Whether it stands on the page's own ground; else on white, as where text lies on coloured cells.
    number : int, optional
        By which its identifiers differ from those of others on the page.

    Returns
    -------
    Markup
    """
    for axes in figure.axes:
        for marks in axes.collections:
            if isinstance(marks, PathCollection) and len(marks.get_offsets()) > MOST_SHAPES:  # type: ignore[arg-type]
                marks.set_rasterized(True)
    held = io.BytesIO()
    with style.context(), matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "myow"}):
        figure.savefig(held, format="svg", transparent=themed, metadata={"Date": None})
    text = held.getvalue().decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    own = f"f{next(_numbers) if number is None else number}-"
    text = re.sub(r'(\sid="|url\(#|xlink:href="#)', lambda found: found[0] + own, text)
    if themed:
        text = re.sub(r'style="[^"]*"', lambda found: _themed(found[0]), text)
    text = text.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana")
    opening, rest = text.split(">", 1)
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', opening)
    wide = f"{float(size[1]) * 4 / 3:.0f}" if size else "768"
    shown = html.escape(without_home(alt))
    head = f'<svg viewBox="{size[0][9:-1] if size else "0 0 576 400"}" width="{wide}" role="img" aria-label="{shown}" '
    ground = "themed" if themed else "light"
    rest = re.sub(r"\n\s*", "\n", without_home(rest))
    namespaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return Markup(f"{head}class='{ground}' {namespaces}>{rest}")


def _themed(styling: str) -> str:
    for colour, name in THEMED.items():
        styling = styling.replace(colour, name)
    return styling


def picture(figure: Figure, alt: str, *, dpi: int = 96) -> Markup:
    """Turn a figure of many marks into an image inside a page, of few colours so that it is small."""
    held = io.BytesIO()
    with style.context():
        figure.savefig(held, format="png", dpi=dpi)
    image, small = Image.open(held).convert("RGB"), io.BytesIO()
    image.quantize(256, dither=Image.Dither.NONE).save(small, format="PNG", optimize=True)
    text = base64.b64encode(small.getvalue()).decode()
    wide, high = image.size
    shown = html.escape(without_home(alt))
    return Markup(
        f'<img class="light" width="{wide}" height="{high}" alt="{shown}" src="data:image/png;base64,{text}">'
    )


class Packed:
    """Arrays behind each other in one text, which the page's script unpacks.

    Values are whole numbers without a sign. Those of two bytes are stored as all their high bytes, then all their low ones,
    which packs better; ordered ones as differences.
    """

    def __init__(self) -> None:
        self.about: dict[str, dict[str, Any]] = {}
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, name: str, values: NDArray[Any]) -> None:
        """Add whole numbers from 0 to 65535."""
        flat = np.asarray(values).ravel()
        wide = bool(flat.size and flat.max() > 255)
        content = flat.astype(np.uint8).tobytes()
        if wide:
            content = (flat.astype(np.uint16) >> 8).astype(np.uint8).tobytes() + (flat & 255).astype(np.uint8).tobytes()
        self._put(name, "u16" if wide else "u8", content, flat.size)

    def add_rising(self, name: str, values: NDArray[Any]) -> None:
        """Add whole numbers of any size, as differences."""
        steps = np.diff(np.asarray(values).ravel(), prepend=0).astype("<i4")
        self._put(name, "steps", steps.tobytes(), steps.size)

    def add_scaled(self, name: str, values: NDArray[Any], bits: int = 12, missing: NDArray[Any] | None = None) -> None:
        """Add real numbers on an even scale from the lowest to the highest; one step of it stands for what is missing."""
        flat = np.asarray(values, dtype=np.float64).ravel()
        here = np.ones(len(flat), dtype=bool) if missing is None else ~np.asarray(missing)
        low, high = (float(flat[here].min()), float(flat[here].max())) if here.any() else (0.0, 0.0)
        top = 2**bits - 2
        scaled = np.rint((flat - low) / (high - low) * top) if high > low else np.zeros(len(flat))
        self.add(name, np.where(here, scaled, top + 1).astype(np.int64))
        self.about[name] |= {"low": low, "high": high, "top": top}

    def _put(self, name: str, kind: str, content: bytes, size: int) -> None:
        self.about[name] = {"kind": kind, "at": self._size, "n": size}
        self._parts.append(content)
        self._size += len(content)

    def text(self) -> Markup:
        """Return all of it, gzipped, in base64."""
        return Markup(base64.b64encode(gzip.compress(b"".join(self._parts), 6, mtime=0)).decode())


def packed_size(values: NDArray[Any]) -> int:
    """Return how many bytes an array of small whole numbers takes in the page, about."""
    return len(gzip.compress(np.ascontiguousarray(values).tobytes(), 4, mtime=0)) * 4 // 3


def coloured(name: str, values: NDArray[Any], period: float | None) -> dict[str, Any] | None:
    """Return how a label is coloured, and its codes; None if it cannot be."""
    try:
        look = style.colour_by(values, len(values), period)
    except MyowError:
        return None
    about: dict[str, Any] = {"name": name, "kind": look.kind, "period": period}
    if look.kind == "classes":
        found, codes = np.unique(values, return_inverse=True)
        if len(found) > 250:
            return None
        return about | {"values": [str(one) for one in look.values], "codes": codes}
    if look.kind == "cyclic" and look.values and period is not None:
        turns = np.mod(np.asarray(values, dtype=np.float64) / period, 1.0)
        few, codes = np.unique(turns, return_inverse=True)
        names = style.degrees_of(few, 1.0)
        hues = [to_hex(colour) for colour in style.cyclic_map()(few)]
        return about | {"kind": "classes", "values": names, "codes": codes, "colours": hues}
    if look.kind == "cyclic" and period is not None:
        return about | {"scaled": np.mod(np.asarray(values, dtype=np.float64), period)}
    return about | {"kind": "continuous", "scaled": np.asarray(values, dtype=np.float64)}


def put_plane(values: NDArray[Any], arrays: Packed, name: str, bits: int) -> dict[str, Any]:
    """Put the three widest directions into the page, on one scale."""
    some = values[:: -(-len(values) // 20_000)].astype(np.float64)
    mean = some.mean(axis=0)
    variance, axes = np.linalg.eigh((some - mean).T @ (some - mean) / len(some))
    variance, axes = np.maximum(variance[::-1], 0), axes[:, ::-1][:, :3]
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])] < 0, -1.0, 1.0)
    xyz = np.zeros((len(values), 3))
    xyz[:, : axes.shape[1]] = (values - mean) @ axes
    middle = (xyz.max(axis=0) + xyz.min(axis=0)) / 2
    widest = float(np.abs(xyz - middle).max()) or 1.0
    top = 2**bits - 1
    arrays.add(name, np.rint(((xyz - middle) / widest + 1) / 2 * top).astype(np.int64).T)
    shares = variance[:3] / variance.sum() if variance.sum() > 0 else np.zeros(3)
    return {"array": name, "top": top, "shares": [f"{100 * share:.0f} %" for share in shares]}


def put_label(about: dict[str, Any], arrays: Packed, name: str) -> dict[str, Any]:
    """Put the values of a label into the page, as `coloured` returned it."""
    codes, scaled = about.pop("codes", None), about.pop("scaled", None)
    if codes is not None:
        arrays.add(name, codes)
    else:
        arrays.add_scaled(name, scaled)
    return about | {"array": name}


def nearest(z: NDArray[Any], runs: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Return the nearest rows of other trials, shape (T, k); where there is one, rows far in time."""
    z = z.astype(np.float32)
    rows, square = np.arange(len(z)), (z**2).sum(axis=1)
    found = np.empty((len(z), k), dtype=np.int64)
    for some in np.array_split(rows, -(-len(z) // 1000)):
        far = square - 2 * z[some] @ z.T
        barred = runs[some][:, None] == runs if runs[-1] else np.abs(some[:, None] - rows) < max(10, len(z) // 100)
        far[barred] = np.inf
        near = np.argpartition(far, k, axis=1)[:, :k]
        order = np.take_along_axis(far, near, axis=1).argsort(axis=1)
        found[some] = np.take_along_axis(near, order, axis=1)
    return found


def levels(rec: Recording, counts: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Return activity in one byte: counts as they are up to 254, signals on a scale."""
    if rec.kind == "counts":
        return np.asarray(np.minimum(counts, 254), dtype=np.uint8)
    return np.asarray(np.clip((counts - low) / ((high - low) or 1.0) * 254, 0, 254), dtype=np.uint8)


def put_activity(rec: Recording, counts: NDArray[Any], arrays: Packed) -> dict[str, Any]:
    """Put the activity of every bin shown into the page; of more than there is room for, the units that vary most."""
    low, high = float(counts.min()), float(counts.max())
    order = np.argsort(-counts.astype(np.float32).var(axis=0), kind="stable")[:400]
    some = counts[:: -(-len(counts) // 5000)][:, order]
    a_unit = packed_size(levels(rec, some, low, high).T) / len(order) * len(counts) / len(some)
    kept = np.sort(order[: max(1, int(ROOM / max(a_unit, 1)))])
    arrays.add("activity", levels(rec, counts[:, kept], low, high).T)
    return {"units": [rec.units[i] for i in kept], "of": rec.n_units, "counts": rec.kind == "counts"}


def table_of(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Return a table of texts; the first cell of a row names it."""
    return {"head": list(head), "rows": [[str(cell) for cell in row] for row in rows]}


def explorer(found: OpenRun, arrays: Packed, activity: bool) -> dict[str, Any]:
    """Put what the explorer shows of a run into the page, and return what its script is to know of it.

    Parameters
    ----------
    found : OpenRun
        The run.
    arrays : Packed
        Takes positions, labels, times, predictions, neighbours and activity.
    activity : bool
        Whether counts go into the page.

    Returns
    -------
    dict
        Ready for JSON.
    """
    rec, rows = found.recording, found.shown
    n = len(rows)
    counts = rec.gather(rows)
    scaled = np.sqrt(counts.astype(np.float32)) if rec.kind == "counts" else counts.astype(np.float32)
    scaled = (scaled - scaled.mean(axis=0)) / np.maximum(scaled.std(axis=0), 1e-6)
    bits = 12 if n > 20_000 else 14
    views = [
        {"title": found.method, **put_plane(found.z, arrays, "ours", bits)},
        {
            "title": "raw counts" if rec.kind == "counts" else "signals",
            **put_plane(counts, arrays, "raw", min(bits, 10)),
        },
        {"title": "components", **put_plane(scaled, arrays, "components", min(bits, 10))},
    ]
    runs = np.cumsum(np.append(0, np.diff(rec.segments[rows]) != 0))
    heads, _ = group_runs(runs)
    arrays.add_rising("segment", heads)
    arrays.add_rising("time", np.rint((rec.times[rows] - rec.times[0]) / rec.bin_size * 16))
    arrays.add("part", found.part[rows])
    labels: list[dict[str, Any]] = []
    left_out: list[str] = []
    room = ROOM_OF_LABELS
    for name, values in rec.labels.items():
        columns = [values] if values.ndim == 1 else list(values.T)
        for i, column in enumerate(columns):
            about = coloured(name if len(columns) == 1 else f"{name} {i + 1}", column[rows], rec.periods.get(name))
            cost = 2 * n if about is not None and "scaled" in about else n // 8
            if about is None:
                continue
            if cost > room or len(labels) == MOST_LABELS:
                left_out.append(about["name"])
                continue
            room -= cost
            labels.append(put_label(about, arrays, f"label{len(labels)}"))
    spec: dict[str, Any] = {
        "n": n,
        "total": len(rec),
        "views": views,
        "labels": labels,
        "left_out": left_out,
        "target": found.target,
        "bin": rec.bin_size,
        "start": float(rec.times[0]),
        "segments": rec.segments[rows][heads].tolist(),
        "parts": PARTS,
        "thinned": n < len(rec),
        "palette": style.CLASSES,
        "cyclic": [to_hex(colour) for colour in style.cyclic_map()(np.linspace(0, 1, 64, endpoint=False))],
        "ramp": [to_hex(colour) for colour in matplotlib.colormaps["viridis"](np.linspace(0, 1, 64))],
    }
    if found.predicted:
        spec["prediction"] = _put_predictions(found, arrays)
    if n <= MOST_NEAR and n > 10:
        spec["near"] = True
        arrays.add("near", nearest(found.z, runs, min(3, n - 1)))
    if activity:
        spec["activity"] = put_activity(rec, counts, arrays)
    return spec


def _put_predictions(found: OpenRun, arrays: Packed) -> dict[str, Any]:
    """Put what is predicted of each test row, and its error, into the page."""
    said, rec, rows = found.predicted, found.recording, found.shown
    where = np.full(len(rec), -1)
    where[found.parts[2]] = np.arange(len(found.parts[2]))
    at = where[rows]
    here, values, merits = at >= 0, said["values"], said["merits"]
    about: dict[str, Any] = {"target": said["target"], "readout": said["readout"]}
    if said["key"] == "accuracy":
        arrays.add("hit", np.where(here, merits[at] > 0.5, 2))
        about["error"] = "classes"
    else:
        arrays.add_scaled("hit", np.where(here, np.sqrt(merits[at]), 0), missing=~here)
        about["error"] = "continuous"
    period = rec.periods.get(said["target"])
    if values.ndim == 1 and values.dtype.kind in "iubU":
        names, codes = np.unique(values, return_inverse=True)
        arrays.add("predicted", np.where(here, codes[at], len(names)))
        about["values"] = style.degrees_of(names, period) if period else [str(v) for v in names.tolist()]
    elif values.ndim == 1:
        turned = values if period is None else np.mod(values, period)
        arrays.add_scaled("predicted", np.where(here, turned[at], 0), missing=~here)
        about["period"] = period
    return about


def still_of(found: OpenRun) -> dict[str, Any]:
    """Draw the embedding beside raw counts and components, for readers without a script."""
    rec, rows = found.recording, found.shown[:: -(-len(found.shown) // 20_000)]
    every = -(-len(found.shown) // 20_000)
    counts = rec.gather(rows).astype(np.float64)
    scaled = np.sqrt(counts) if rec.kind == "counts" else counts
    panels = {
        "embedding": found.z[::every],
        "raw counts" if rec.kind == "counts" else "signals": counts,
        "components": (scaled - scaled.mean(axis=0)) / np.maximum(scaled.std(axis=0), 1e-6),
    }
    target = found.target
    label = None if target is None or rec.labels[target].ndim > 1 else rec.labels[target][rows]
    figure = embedding.draw_beside(
        panels, label, period=rec.periods.get(target or ""), name=found.name, label_name=target or "label"
    )
    alt = f"Points of the embedding, of raw counts and of components, coloured by {target or 'nothing'}."
    return {"picture": picture(figure, alt)}


def data_of(found: OpenRun, activity: bool) -> dict[str, Any]:
    """Return facts of the recording: size, rates, labels, and how its bins were parted.

    Parameters
    ----------
    found : OpenRun
        The run.
    activity : bool
        Whether the rates of units may be shown.

    Returns
    -------
    dict
        What the panel shows.
    """
    rec = found.recording
    some = np.arange(0, len(rec), -(-len(rec) * rec.n_units // MOST_VALUES))
    mean = rec.gather(some).mean(axis=0)
    lengths = rec.segment_lengths
    facts = [
        ("bins", f"{len(rec):,} of {rec.bin_size:g} s, {rec.duration:,.0f} s in all"),
        ("units", f"{rec.n_units:,}"),
        (
            "trials",
            f"{rec.n_segments:,}, of {lengths.min():,} to {lengths.max():,} bins (median {np.median(lengths):g})",
        ),
        ("array of the embedding", f"{len(rec):,} bins by {found.z.shape[1]} dimensions"),
    ]
    if rec.kind == "counts":
        rate = mean / rec.bin_size
        low, middle, high = np.quantile(rate, (0.25, 0.5, 0.75))
        facts.append(
            ("rates", f"median {middle:.2f} Hz, middle half {low:.2f} to {high:.2f} Hz, highest {rate.max():.1f} Hz")
        )
        facts.append(("silent units", f"{int((mean == 0).sum()):,}"))
    facts += [(key, str(value)) for key, value in rec.source.items() if key in ("used", "skipped", "notes", "file")]
    if found.several:
        facts.insert(0, ("session", f"{found.session}, one of {len(found.sessions)} that the model learnt from"))
    parted = bool(found.run.split)
    labels = []
    for name, values in rec.labels.items():
        if values.ndim == 1 and values.dtype.kind in "iubU":
            classes, code = np.unique(values, return_inverse=True)
            for i, value in list(enumerate(classes.tolist()))[:20]:
                own = code == i
                inside = [len(np.unique(rec.segments[own & (found.part == part)])) for part in range(3 * parted)]
                labels.append([name, value, f"{own.sum():,}", *(f"{n:,}" for n in inside)])
            if len(classes) > 20:
                labels.append([name, f"and {len(classes) - 20:,} more values", *[""] * (1 + 3 * parted)])
        else:
            numbers = values.astype(np.float64)
            labels.append(
                [name, f"{numbers.min():.4g} to {numbers.max():.4g}", f"{len(values):,}", *[""] * (3 * parted)]
            )
    heads, _ = group_runs(found.part)
    ends = np.append(heads[1:], len(rec))
    spans = [[int(found.part[a]), int(a), int(b)] for a, b in zip(heads, ends, strict=True)]
    every = -(-len(spans) // 1500)
    counts = [[title, f"{(found.part == i).sum():,}"] for i, title in enumerate(PARTS) if (found.part == i).any()]
    bars = None
    if activity and rec.kind == "counts":
        shares, edges = np.histogram(np.log10(np.maximum(mean / rec.bin_size, 1e-2)), bins=20)
        bars = {"n": shares.tolist(), "low": f"{10 ** edges[0]:.2g} Hz", "high": f"{10 ** edges[-1]:.2g} Hz"}
    return {
        "facts": facts,
        "labels": table_of(["label", "value", "bins", *(f"{title} trials" for title in PARTS[: 3 * parted])], labels),
        "spans": spans[::every],
        "n": len(rec),
        "trials": rec.n_segments > 1,
        "counts": counts,
        "bars": bars,
        "split": found.run.split,
    }


@cache
def _file(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _finish(value: Any) -> Any:
    return value if isinstance(value, Markup) else without_home(value) if isinstance(value, str) else value


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def render(**content: Any) -> str:
    """Fill the template: every text is escaped, and only the page's own script and style may run.

    Parameters
    ----------
    **content
        What ``report.html`` shows.

    Returns
    -------
    str
        The whole page.
    """
    script, css = _file("report.js"), _file("report.css")
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src-elem {_hash(css)}; style-src-attr 'unsafe-inline'; "
        f"style-src {_hash(css)}; img-src data:; base-uri 'none'; form-action 'none'"
    )
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=_finish, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.from_string(_file("report.html"))
    return page.render(script=Markup(script), css=Markup(css), policy=policy, **content)


class Report:
    """A report as one HTML page, which a notebook shows.

    Attributes
    ----------
    html : str
        The page.
    title : str
        Its title.
    """

    def __init__(self, page: str, title: str) -> None:
        self.html, self.title = page, title

    def save(self, path: str | Path) -> Path:
        """Write the page, whole or not at all; a file that is there is replaced."""
        with writing(path) as part:
            part.write_text(self.html, encoding="utf-8")
        return Path(path)

    def _repr_html_(self) -> str:
        inside = html.escape(self.html)
        return (
            f'<iframe title="{html.escape(self.title)}" sandbox="allow-scripts" srcdoc="{inside}" '
            'style="width:100%;height:80vh;border:1px solid #888"></iframe>'
        )

    def __repr__(self) -> str:
        return f"Report({self.title!r}, {len(self.html) / 1e6:.1f} MB); report.save('report.html') writes it"
