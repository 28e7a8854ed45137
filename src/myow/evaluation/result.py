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
from .statistics import corrected_interval, range_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = [
    "BASELINES",
    "CONTROL_WORDS",
    "METRIC_TITLES",
    "Evaluation",
    "difference_of",
    "headline_of",
    "interval_over",
    "judge",
    "mean_interval",
    "mean_of",
    "mean_of_tries",
    "over_folds",
    "range_of_difference",
    "readout_title",
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


def verdict(result: Mapping[str, Any]) -> str:
    """Say in words what an evaluation shows, a sentence for each thing that the embedding is compared with.

    Parameters
    ----------
    result : mapping
        With "differences", as `myow.evaluate` returns it.

    Returns
    -------
    str
    """
    key = headline_of(result["readout"])
    score = "R²" if key == "r2" else "accuracy"
    by = f", mean of {result['folds']} folds" if result.get("folds") else ""
    target = str(result["target"])
    said = [f"{target[:1].upper()}{target[1:]} is read from the embedding with {score} {result[key]:.3f}{by}."]
    for words, rows in YARDSTICKS.items():
        name = max(rows, key=lambda row: result[row][key])
        said.append(_compared(words, score, result["differences"][name]))
    said.append("Intervals of differences hold at 95 % for all of them together.")
    for how, scores in (result.get("controls") or {}).items():
        where = "between segments" if how == "exchanged" else "in time"
        said.append(f"With {CONTROL_WORDS[how]} {where} it is {scores[key]:.3f}.")
    if result.get("transductive"):
        said.append("Transductive: the encoder was trained on the test bins too.")
    return " ".join(said)


def _compared(words: str, score: str, found: Mapping[str, Any]) -> str:
    difference, low, high = (found[key] for key in ("difference", "low", "high"))
    if low is None:
        return f"Beside {words} nothing is shown, since there is one block to test on (difference {difference:+.3f})."
    interval = f"interval {low:+.3f} to {high:+.3f}"
    if found["verdict"] == "no difference shown":
        return f"No difference shown from {words} ({difference:+.3f}, {interval})."
    way = "higher" if found["verdict"] == "better" else "lower"
    return f"{str(found['verdict']).capitalize()} than {words}: {score} {way} by {abs(difference):.3f} ({interval})."


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
        few = "all labels" if self["labels"] is None else f"{self['labels']} labelled {self['label_unit']}s per class"
        how = f"{self['folds']} folds" if self.get("folds") else f"{self['n_test']:,} test bins"
        options = {key: self[key] for key in ("classifier", "semi_supervised") if key in self}
        readout = readout_title(self["readout"], **options)
        return f"{self['dataset'] or 'recording'}: {self['target']}, {readout}, {few}, {how}"

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

    def __repr__(self) -> str:
        if "target" not in self:
            return "Evaluation()"
        table = self._words()
        widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
        lines = [
            "  ".join(
                [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
            ).rstrip()
            for row in table
        ]
        return "\n".join([self._heading(), "", *lines, "", self.get("verdict", "")]).rstrip()

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
