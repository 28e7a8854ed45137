"""A model's card in Markdown: what it was trained on, what it is for and what not, settings, metrics, citation.

What was measured may come from a file, so nothing of it is taken for granted.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from sklearn.utils.validation import check_is_fitted

if TYPE_CHECKING:
    from .base import Learner

__all__ = ["evaluation_table", "methods_paragraph", "model_card", "shown", "table", "training_lines"]

AZABOU = """Azabou M, Azar MG, Liu R, Lin CH, Johnson EC, Bhaskaran-Nair K, Dabagia M, Avila-Pires B, Kitchell L, Hengen KB,
Gray-Roncal W, Valko M, Dyer EL. Mine Your Own vieW: Self-Supervised Learning Through Across-Sample Prediction.
arXiv:2102.10106 (2021)."""
MOST = 200  # characters of one value
CONTROLS = {"raw": "raw", "pca": "principal components", "untrained": "untrained encoder"}


def model_card(model: Learner, evaluations: Sequence[Mapping[str, Any]] = ()) -> str:
    """Write the card of a fitted model.

    Parameters
    ----------
    model : Learner
        Fitted.
    evaluations : sequence of mapping, optional
        What `myow.evaluate` returned for it. Default: those that were saved with it.

    Returns
    -------
    str
    """
    check_is_fitted(model, "network_")
    stored = model.metrics_.get("evaluations")
    found = list(evaluations) or (stored if isinstance(stored, list) else [])
    names = [shown(about.get("name")) for about in model.trained_on_ if about.get("name") and not about.get("adapted")]
    parts = [
        f"# {type(model).__name__}{' of ' + ', '.join(names) if names else ''}",
        _what(model),
        "## Use",
        _use(model),
        "## Trained on",
        _data(model),
        "## Intended use and limits",
        _limits(model),
        "## Metrics",
        *training_lines(model.metrics_.get("training")),
        evaluation_table([about for about in found if isinstance(about, Mapping)]),
        "## Settings",
        _settings(model),
        "## Citation",
        _citation(model),
    ]
    return "\n\n".join(parts) + "\n"


def _what(model: Learner) -> str:
    doc = inspect.getdoc(type(model)) or ""
    labels = "It learnt from labels." if model.uses_labels else "It learnt without labels."
    return f"{doc.splitlines()[0] if doc else type(model).__name__} {labels} Made with myow {shown(model.version_) or 'of an early version'}."


def _use(model: Learner) -> str:
    lines = ["```python", "import myow", "", 'model = myow.load_model("model.myow")']
    code = sorted(k for k, v in model.get_params().items() if callable(v))
    if code:
        given = ", ".join(f"{name}=..." for name in code)
        lines[-1] = f'model = myow.load_model("model.myow", {given})  # Python objects, which the file does not hold'
    sessions = list(getattr(model, "sessions_", {}))
    choice = f", session={shown(sessions[0])!r}" if len(sessions) > 1 else ""
    what = "images" if model.learns_from == "images" else "recording"
    lines += [f"z = model.transform({what}{choice})  # one row of {model._n_dimensions()} dimensions a row", "```"]
    return "\n".join(lines)


def _data(model: Learner) -> str:
    if not model.trained_on_:
        return "Not recorded: the file is of an earlier version."
    rows = []
    for about in model.trained_on_:
        units = about.get("units") if isinstance(about.get("units"), list) else []
        named = f" ({shown(units[0])} to {shown(units[-1])})" if units else ""
        size = about.get("size")
        channels = f"{size[0]} x {size[1]} pixels" if isinstance(size, list) and len(size) == 2 else ""
        rows.append(
            [
                shown(about.get("name")) or "an array",
                shown(about.get("kind")),
                channels or f"{shown(about.get('n_units'))} units{named}",
                f"{shown(about['bin_size'])} s" if "bin_size" in about else "",
                shown(about.get("rows")),
                shown(about.get("segments")),
                f"`{shown(about.get('digest'))}`",
            ]
        )
    head = ["data", "kind", "units", "bin", "rows", "segments", "SHA-256 of values, times and segments"]
    later = [about.get("name") for about in model.trained_on_ if about.get("adapted")]
    notes = [f"Read-ins were learnt later for: {', '.join(map(shown, later))}."] if later else []
    for about in model.trained_on_:
        source = about.get("source")
        for key in ("file", "licence"):
            if isinstance(source, Mapping) and source.get(key):
                notes.append(f"{key.capitalize()} of {shown(about.get('name')) or 'the array'}: {shown(source[key])}.")
    return "\n\n".join([table(head, rows), *notes])


def _limits(model: Learner) -> str:
    images = model.learns_from == "images"
    lines = [
        "For research: to embed "
        + ("images like those above" if images else "activity of the units above")
        + ", and to read out, cluster or look at what the embedding holds.",
    ]
    if not images:
        lines += [
            "An embedding means something for these units alone, in this order. Other units, the same ones sorted anew, or another bin "
            "width give numbers that mean nothing; a wrong number of units is refused, a wrong order cannot be noticed.",
            "It was learnt from the recordings above. Other days, animals, areas and tasks were not looked at; electrodes drift, and so "
            "does decoding performance.",
        ]
    lines += [
        "Dimensions have no order, no sign and no unit, and cannot be compared with those of another model one by one.",
        "Rows that it was trained on are not new to it, labels or not: what is read out of them is transductive, and says less about rows "
        "that are still to come. Hold out rows, better whole segments, before training.",
        "Not for diagnosis, treatment or the control of a device that touches a person, and not to identify anyone.",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _settings(model: Learner) -> str:
    defaults = {f.name: f.default for f in fields(type(model))}
    rows = []
    for name, value in sorted(model.get_params().items()):
        if name in ("device", "verbose"):  # of this machine, not of the model
            continue
        text = f"your own {type(value).__name__}" if callable(value) else shown(value) or "none"
        rows.append([f"`{name}`", text, "" if _same(value, defaults.get(name)) else "set"])
    return table(["parameter", "value", ""], rows)


def _same(value: Any, default: Any) -> bool:
    value = tuple(value) if isinstance(value, list) else value
    return type(value) is type(default) and bool(value == default)


def _citation(model: Learner) -> str:
    found = (about["source"] for about in model.trained_on_ if isinstance(about.get("source"), Mapping))
    data = _different(shown(source.get("citation")) for source in found)
    return "\n\n".join([AZABOU, *(f"Data: {text}." for text in data if text)])


def _different(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def shown(value: Any) -> str:
    """One value on one line, without what Markdown would take for a table's edge."""
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    text = " ".join(text.replace("|", "/").replace("`", "'").replace("<", "&lt;").split())
    return text if len(text) <= MOST else text[: MOST - 3] + "..."


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of text as a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def training_lines(metrics: Any) -> list[str]:
    """Last metrics of the training; nothing for a method without steps."""
    if not isinstance(metrics, Mapping) or not metrics:
        return []
    step = metrics.get("step")
    rest = [[shown(name), shown(value)] for name, value in metrics.items() if name != "step"]
    return [f"Last in training, at step {shown(step)}, of training rows:", table(["metric", "value"], rest)]


def evaluation_table(evaluations: Sequence[Mapping[str, Any]]) -> str:
    """Decoding performance, beside what takes no learning; accuracy, or R2 of real-valued labels."""
    rows = [row for found in evaluations for row in (_images(found) if "embedding" in found else [_recording(found)])]
    if not rows:
        return "Nothing was read out of it yet: `myow evaluate` does."
    head = ["label", "readout", "labels", "score", "embedding (95 %)", *CONTROLS.values(), "majority", "test rows"]
    return table(head, rows)


def _recording(found: Mapping[str, Any]) -> list[str]:
    score = _headline(found)
    unit = found.get("label_unit")
    labels = "all" if found.get("labels") is None else f"{shown(found['labels'])} {shown(unit)}s a class"
    options = [found["classifier"]] if found.get("classifier") else []
    options += ["semi-supervised"] if found.get("semi_supervised") else []
    return [
        shown(found.get("target")),
        ", ".join(shown(word) for word in (found.get("readout"), *options)),
        labels,
        "R2" if score == "r2" else score,
        _with_interval(found, score),
        *(_number(_part(found, name).get(score)) for name in CONTROLS),
        _number(found.get("majority")),
        shown(found.get("n_test")),
    ]


def _images(found: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for readout in _part(found, "embedding"):
        own = _part(_part(found, "embedding"), readout)
        controls = (_number(_part(_part(found, name), readout).get("accuracy")) for name in CONTROLS)
        labels = "all" if found.get("labels") is None else f"{shown(found['labels'])} a class"
        label = [shown(found.get("target")), shown(readout), labels, "accuracy", _with_interval(own, "accuracy")]
        rows.append([*label, *controls, _number(own.get("majority")), shown(own.get("n_test"))])
    return rows


def _headline(found: Mapping[str, Any]) -> str:
    return "r2" if found.get("readout") == "continuous" else "accuracy"


def _with_interval(found: Mapping[str, Any], score: str) -> str:
    interval = found.get("interval")
    ends = [_number(end) for end in interval] if isinstance(interval, (list, tuple)) and len(interval) == 2 else []
    return _number(found.get(score)) + (f" ({ends[0]} to {ends[1]})" if ends else "")


def _better(found: Mapping[str, Any], name: str, key: str) -> str:
    """Return the higher score of a baseline's two scalings."""
    scores: list[Any] = [_part(found, row).get(key) for row in (name, f"{name}_common")]
    return _number(max((float(score) for score in scores if _number(score)), default=None))


def _part(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = found.get(name)
    return part if isinstance(part, Mapping) else {}


def _number(value: Any) -> str:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return f"{value:.3f}" if good else ""


READ = {
    "class": "a logistic regression",
    "angle": "a ridge regression onto the circle",
    "continuous": "a ridge regression",
    "knn": "its nearest labelled neighbours",
}


def methods_paragraph(
    model: Learner,
    about: Mapping[str, Any],
    evaluations: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Write what was done as a paragraph for the methods section of a paper.

    Parameters
    ----------
    model : Learner
        Fitted.
    about : mapping
        "recording", a sentence on the data; "parts", rows of the training, validation and test part, or None; "split", how they
        were parted; "rows", what the encoder was trained on.
    evaluations : sequence of mapping, optional
        What `myow.evaluate` returned for it.

    Returns
    -------
    str
        Plain text. Its numbers are those of the evaluations.
    """
    settings = model.get_params()
    defaults = {f.name: f.default for f in fields(type(model))}
    changed = [
        f"{name} {shown(value)}"
        for name, value in sorted(settings.items())
        if name not in ("device", "verbose", "threads", "random_state", "steps", "epochs", "context")
        and not callable(value)
        and not _same(value, defaults.get(name))
    ]
    learnt = "with labels" if model.uses_labels else "without labels"
    steps = f" for {model.n_steps_:,} steps" if getattr(model, "n_steps_", 0) else ""
    before, after = settings.get("context") or (0, 0)
    window = f" Each bin was seen with {before} bins before it and {after} after." if before or after else ""
    said = [
        str(about["recording"]),
        f"An embedding of {model._n_dimensions()} dimensions was learnt {learnt} with {type(model).__name__} "
        f"(myow {shown(model.version_) or 'of an early version'}){steps}, seed {model.seed_}.{window}",
        f"Settings other than the defaults: {', '.join(changed)}." if changed else "All settings were the defaults.",
    ]
    if about.get("parts"):
        train, valid, test = about["parts"]
        said.append(
            f"{about['split']} ({train:,} training, {valid:,} validation and {test:,} test bins); the encoder was trained on "
            f"{'all bins' if about['rows'] == 'all' else 'training bins alone'}."
        )
    for found in evaluations:
        key = _headline(found)
        few = (
            "The strength of the readout was chosen on validation bins; then it was fitted on training and validation bins"
            if found.get("labels") is None
            else f"The readout used {shown(found['labels'])} labelled {shown(found.get('label_unit'))}{'' if found['labels'] == 1 else 's'} per class alone, mean of "
            f"{len(found.get('per_draw') or [0])} draws"
        )
        said.append(
            f"The label {shown(found.get('target'))} was decoded from the embedding by {READ.get(str(found.get('readout')), 'a readout')}. "
            f"{few}. On {shown(found.get('n_test'))} test bins {'R²' if key == 'r2' else 'accuracy'} was "
            f"{_with_interval(found, key)}; of raw counts {_better(found, 'raw', key)} and of principal components "
            f"{_better(found, 'pca', key)}, each at the better of two scalings."
        )
    if evaluations:
        said.append(
            "Intervals in brackets are 95 % bootstrap intervals over test trials (over blocks of time where there is one)."
        )
    return " ".join(said)
