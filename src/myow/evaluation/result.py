"""Result of an evaluation: numbers, a table, a figure, and a verdict in words that follows from paired differences."""

from __future__ import annotations

import copy
import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SettingError
from . import metrics
from .readouts import readout_class
from .statistics import corrected_interval, fewest_blocks, range_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = [
    "BASELINES",
    "CONTROL_WORDS",
    "LEVEL",
    "METRIC_TITLES",
    "Evaluation",
    "difference_of",
    "headline_of",
    "interval_over",
    "judge",
    "labels_of",
    "mean_interval",
    "mean_of",
    "mean_of_tries",
    "over_folds",
    "range_of_difference",
    "readout_title",
    "sentences_of",
    "verdict",
]

BASELINES = {
    "raw": "raw counts",
    "raw_common": "raw counts, one scale",
    "pca": "components",
    "pca_common": "components, one scale",
    "untrained": "untrained encoder",
}
"""Baselines of an evaluation, and their titles. "One scale": all features divided by one common deviation."""

YARDSTICKS = {
    "raw counts": ("raw", "raw_common"),
    "principal components": ("pca", "pca_common"),
    "an untrained encoder": ("untrained",),
}
"""What a verdict names, each by the stronger of its rows."""

LEVEL = 1 - 0.05 / len(BASELINES)
"""Coverage of the interval of one difference, so that those of all baselines hold at 95 % together."""

FEWEST = fewest_blocks(LEVEL)
"""Test segments, or blocks of time, below which no difference is judged."""

CONTROL_WORDS = {"exchanged": "labels exchanged", "shifted": "labels shifted"}

METRIC_TITLES = {
    "accuracy": "accuracy",
    "delta_accuracy": "within 3π/16",
    "balanced_accuracy": "balanced",
    "weighted_f1": "weighted F1",
    "r2": "R²",
}
"""Scores of an evaluation, and what tables call them."""


_OPTIONS = {"lda": "LDA", "auto": "logistic or LDA", "semi": "semi-supervised"}


def readout_title(reading: str, *, classifier: str = "logistic", semi_supervised: bool = False) -> str:
    """Name a readout and its options.

    Parameters
    ----------
    reading : str
        A readout, or what rows of the bench call it with its options.
    classifier, semi_supervised : optional
        Options that the word does not hold, as an evaluation has them.

    Returns
    -------
    str

    Examples
    --------
    >>> readout_title("class-auto-semi"), readout_title("angle"), readout_title("class", semi_supervised=True)
    ('class readout (logistic or LDA, semi-supervised)', 'angle readout', 'class readout (semi-supervised)')
    """
    readout, *options = reading.split("-")
    options += [classifier, "semi" if semi_supervised else ""]
    words = [_OPTIONS[option] for option in options if option in _OPTIONS]
    return f"{readout} readout" + (f" ({', '.join(words)})" if words else "")


def judge(difference: float, low: float | None, high: float | None) -> str:
    """Return "better", "worse", "no difference shown" or, without an interval, "not tested".

    Examples
    --------
    >>> judge(0.05, 0.02, 0.08), judge(-0.05, -0.08, -0.02), judge(0.05, -0.01, 0.11), judge(0.0, 0.0, 0.0)
    ('better', 'worse', 'no difference shown', 'no difference shown')
    """
    if low is None or high is None:
        return "not tested"
    return "better" if low > 0 else "worse" if high < 0 else "no difference shown"


def labels_of(result: Mapping[str, Any]) -> str:
    """Say in words how many labels an evaluation used.

    Examples
    --------
    >>> labels_of({"labels": None}), labels_of({"labels": 1, "label_unit": "segment"}), labels_of({"labels": 2, "label_unit": "minute"})
    ('all labels', '1 labelled segment per class', '2 labelled minutes per class')
    """
    if result["labels"] is None:
        return "all labels"
    return f"{result['labels']} labelled {result['label_unit']}{'' if result['labels'] == 1 else 's'} per class"


def _number(value: float | None, name: str, sign: bool = False) -> dict[str, Any]:
    """Return a number to show, and which number of the evaluation it is."""
    text = "not known" if value is None else f"{value:{'+' if sign else ''}.3f}"
    return {"text": text, "value": value, "name": name}


def sentences_of(result: Mapping[str, Any]) -> dict[str, list[list[Any]]]:
    """Say what an evaluation shows, in sentences of pieces: texts, and numbers that say which of the evaluation they are.

    Parameters
    ----------
    result : mapping
        With "differences", as `myow.evaluate` returns it.

    Returns
    -------
    dict
        "sentences", the score and how it compares with raw counts and with components; "further", all else. A number is a
        mapping of "text", "value" and "name", its path in the evaluation, such as ``differences.raw.low``.
    """
    key = headline_of(str(result["readout"]))
    score = "R²" if key == "r2" else "accuracy"
    low, high = result.get("interval") or (None, None)
    first: list[Any] = [f"From {labels_of(result)}, {result['target']} is read from the embedding with {score} "]
    first.append(_number(result[key], key))
    if low is not None:
        first += [" (95 % interval ", _number(low, "interval.0"), " to ", _number(high, "interval.1"), ")"]
    folds = f", mean of {result['folds']} folds" if result.get("folds") else ""
    first.append(f" on {result['n_test']:,} test bins{folds}.")
    sentences = [first, *(_compared(result, key, *yardstick) for yardstick in YARDSTICKS.items())]
    further = [sentences.pop()]
    for how, scores in (result.get("controls") or {}).items():
        where = "between segments" if how == "exchanged" else "in time"
        opening = f"With {CONTROL_WORDS[how]} {where}, a control, {score} is "
        further.append([opening, _number(scores[key], f"controls.{how}.{key}"), "."])
    if result.get("majority") is not None and key == "accuracy":
        further.append(["Always the commonest label: ", _number(result["majority"], "majority"), "."])
    if result.get("transductive"):
        further.append(["Transductive: the encoder was trained on the test bins too."])
    return {"sentences": sentences, "further": further}


def _compared(result: Mapping[str, Any], key: str, words: str, rows: Sequence[str]) -> list[Any]:
    name = max(rows, key=lambda row: result[row][key])
    found, where = result["differences"][name], f"differences.{name}"
    own = [" (", _number(result[name][key], f"{name}.{key}"), ")"]
    if found["low"] is None:
        return [f"Beside {words}", *own, f" nothing is shown: that takes {FEWEST} test segments, or blocks of time."]
    opening = {"better": "Better than", "worse": "Worse than"}.get(found["verdict"], "No difference shown from")
    within = [_number(found["difference"], f"{where}.difference", True), ", interval "]
    within += [_number(found["low"], f"{where}.low", True), " to ", _number(found["high"], f"{where}.high", True)]
    return [f"{opening} {words}", *own, ": paired difference ", *within, "."]


def verdict(result: Mapping[str, Any]) -> str:
    """Say in words what an evaluation shows: the sentences of `sentences_of`, as one text.

    Parameters
    ----------
    result : mapping
        With "differences", as `myow.evaluate` returns it.

    Returns
    -------
    str
    """
    found = sentences_of(result)
    said = [
        "".join(piece if isinstance(piece, str) else piece["text"] for piece in pieces)
        for pieces in (*found["sentences"], *found["further"])
    ]
    if any(one["low"] is not None for one in result["differences"].values()):
        said.insert(len(YARDSTICKS) + 1, "Intervals of differences hold at 95 % for all of them together.")
    return " ".join(said)


class Evaluation(dict[str, Any]):
    """Result of `myow.evaluate`: a mapping that JSON can hold, which shows itself as a table with a verdict.

    Keys are described at `myow.evaluate`.

    Examples
    --------
    >>> import numpy as np, myow
    >>> rng = np.random.default_rng(0)
    >>> side = np.repeat(np.arange(24) % 2, 5)
    >>> counts = rng.poisson(1 + 3 * (side[:, None] == np.arange(6) % 2))
    >>> rec = myow.Recording(counts, bin_size=0.1, segments=np.repeat(np.arange(24), 5), labels={"side": side})
    >>> found = myow.evaluate(myow.PCA(), rec, target="side", cv=4)
    >>> list(found.to_frame().index)[:2]
    ['pca embedding', 'raw counts']
    >>> found.verdict.split(". ")[1].startswith("No difference shown from raw counts")
    True
    """

    @property
    def verdict(self) -> str:
        """What the numbers show, in words."""
        return str(self["verdict"])

    def to_dict(self) -> dict[str, Any]:
        """Return a copy as a plain dict, ready for JSON."""
        return copy.deepcopy(dict(self))

    def to_frame(self) -> pd.DataFrame:
        """Return a table with a row for the embedding, each baseline and each control.

        Returns
        -------
        pandas.DataFrame
            Columns are the metrics that are meant; `low` and `high`, the 95 % interval of the first of them; and, of the
            baselines, `difference`, `difference_low` and `difference_high`: embedding minus baseline, paired, with the
            interval that holds for all of these together; and `verdict`, on the embedding beside that baseline.
        """
        import pandas as pd

        shown = [key for key in METRIC_TITLES if self.get(key) is not None]
        rows = {}
        for title, row, found in self._rows():
            low, high = row.get("interval") or (None, None)
            rows[title] = {key: row.get(key) for key in shown} | {
                "low": low,
                "high": high,
                "difference": found.get("difference"),
                "difference_low": found.get("low"),
                "difference_high": found.get("high"),
                "verdict": found.get("verdict", ""),
            }
        table = pd.DataFrame.from_dict(rows, orient="index")
        numbers = [name for name in table.columns if name != "verdict"]
        return table.astype(dict.fromkeys(numbers, float))

    def plot(self) -> Figure:
        """Draw the scores of embedding, baselines and controls with their intervals; see `myow.plot.decoding`."""
        from ..figures.decoding import draw_decoding

        return draw_decoding(self)

    def _rows(self) -> list[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
        """Title, scores and paired difference of each row of the table."""
        if "target" not in self:
            raise SettingError("this evaluation is empty; myow.evaluate makes one")
        rows: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = [(f"{self['method']} embedding", self, {})]
        differences = self.get("differences", {})
        rows += [(title, self[name], differences.get(name, {})) for name, title in BASELINES.items() if name in self]
        rows += [(CONTROL_WORDS[how], row, {}) for how, row in (self.get("controls") or {}).items()]
        return rows

    def _heading(self) -> str:
        how = f"{self['folds']} folds" if self.get("folds") else f"{self['n_test']:,} test bins"
        options = {key: self[key] for key in ("classifier", "semi_supervised") if key in self}
        readout = readout_title(self["readout"], **options)
        return f"{self['dataset'] or 'recording'}: {self['target']}, {readout}, {labels_of(self)}, {how}"

    def _words(self) -> list[list[str]]:
        """Cells of the table, the head first."""
        shown = [headline_of(self["readout"])]
        table = [["", METRIC_TITLES[shown[0]], "95 % interval", "embedding minus this"]]
        for title, row, found in self._rows():
            interval = row.get("interval")
            cells = [title, *("" if row.get(key) is None else f"{row[key]:.3f}" for key in shown)]
            cells.append("" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}")
            if found and found["low"] is not None:
                cells.append(f"{found['difference']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})")
            else:
                cells.append(f"{found['difference']:+.3f}" if found else "")
            table.append(cells)
        if self.get("majority") is not None and shown == ["accuracy"]:
            table.append(["majority class", f"{self['majority']:.3f}", *[""] * (len(table[0]) - 2)])
        return table

    def _table(self) -> str:
        """Lay the cells out as text."""
        table = self._words()
        widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
        return "\n".join(
            "  ".join(
                [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
            ).rstrip()
            for row in table
        )

    def __repr__(self) -> str:
        if "target" not in self:
            return "Evaluation()"
        return "\n\n".join([self._heading(), self._table(), self.get("verdict", "")]).rstrip()

    def _repr_html_(self) -> str:
        if "target" not in self:
            return "<p>empty evaluation</p>"
        head, *rows = self._words()
        line = "<tr>" + "".join(f"<th>{html.escape(cell)}</th>" for cell in head) + "</tr>"
        for first, *rest in rows:
            cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in rest)
            line += f"<tr><th style='text-align:left'>{html.escape(first)}</th>{cells}</tr>"
        words = html.escape(self.get("verdict", ""))
        return f"<div><p>{html.escape(self._heading())}</p><table>{line}</table><p>{words}</p></div>"


# What the folds and tries of an evaluation come to.


def mean_of(values: Sequence[float | None]) -> float | None:
    """Return the mean of what is there, None if nothing is."""
    present = [v for v in values if v is not None]
    return float(np.mean(present)) if present else None


def mean_interval(found: Sequence[Mapping[str, Any]]) -> list[float] | None:
    """Return the mean of both ends of the intervals that are there, None if none is."""
    intervals = [one["interval"] for one in found if one["interval"] is not None]
    return np.mean(intervals, axis=0).tolist() if intervals else None


def over_folds(found: Sequence[dict[str, Any]], share: float | None = None, key: str = "") -> dict[str, Any]:
    """Means of scores, sums of counts; what the folds have in common stays."""
    result = {name: value for name, value in found[0].items() if not isinstance(value, dict) or name.endswith("_rows")}
    result |= {name: mean_of([one[name] for one in found]) for name in (*metrics.METRICS, "spread") if name in result}
    result["n_train"] = round(float(np.mean([one["n_train"] for one in found])))
    result["n_test"] = sum(one["n_test"] for one in found)
    result["per_draw"] = [value for one in found for value in one["per_draw"]]
    result["per_fold"] = [one[headline_of(found[0]["readout"])] for one in found]
    if result.get("majority") is not None:
        result["majority"] = mean_of([one["majority"] for one in found])
    if "confusion" in found[0]:
        names = np.unique(np.concatenate([one["confusion"]["classes"] for one in found]))
        counts = np.zeros((len(names), len(names)), dtype=np.asarray(found[0]["confusion"]["counts"]).dtype)
        for one in found:
            at = np.searchsorted(names, one["confusion"]["classes"])
            counts[np.ix_(at, at)] += np.asarray(one["confusion"]["counts"])
        result["confusion"] = {"classes": names.tolist(), "counts": counts.tolist()}
    if "classifiers" in found[0]:
        taken = sorted({name for one in found for name in one["classifiers"]})
        result["classifiers"] = {name: sum(one["classifiers"].get(name, 0) for one in found) for name in taken}
    if share is not None:
        result["interval"] = interval_over(result["per_fold"], share, key)
    return result


def headline_of(readout: str) -> str:
    """Return the metric that a readout is judged by, given its name or what rows of a bench call it with its options."""
    return readout_class(readout.partition("-")[0]).headline


def interval_over(values: Sequence[float], share: float, key: str) -> list[float]:
    """Return the interval of a mean over folds, which ends where the metric does."""
    return list(corrected_interval(values, share, within=range_of(key)))


def range_of_difference(key: str) -> tuple[float, float]:
    """Return the least and the largest difference of two values of a metric."""
    low, high = range_of(key)
    return low - high, high - low


def difference_of(value: float, interval: tuple[float, float] | None) -> dict[str, Any]:
    """Return a paired difference with what it shows."""
    low, high = interval or (None, None)
    return {"difference": value, "low": low, "high": high, "verdict": judge(value, low, high)}


def mean_of_tries(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return means of the scores of a control."""
    result = {name: value for name, value in found[0].items() if name != "confusion"}
    result |= {name: mean_of([one[name] for one in found]) for name in metrics.METRICS}
    return result | {"interval": mean_interval(found)}
