"""Several recordings of a bench taken together: one figure a method and number of labels, with its uncertainty.

Accuracies of the same fold and seed are averaged over the recordings, so that the folds are still what varies; the interval
and the paired comparisons with raw counts (and of MYOW with BYOL and with its ablation without mining) are those of `myow bench`, Holm-adjusted in each column;
no word is "no difference shown".

    python benchmarks/together.py docs/benchmarks/rows.jsonl chewie-1,chewie-2,mihi-1 [--context 2,2] [--readout class]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from myow.evaluation.bench_summary import YARDSTICKS, RowsFile
from myow.evaluation.published import METHOD_NAMES, method_name
from myow.evaluation.statistics import Comparison, adjust, compare, corrected_interval

Split = tuple[int, int]


def accuracies(
    rows: Sequence[Mapping[str, Any]], datasets: Sequence[str], options: argparse.Namespace
) -> tuple[dict[tuple[str, str], dict[Split, float]], float]:
    """Mean accuracy over the recordings by (method, labels) and by (fold, seed); and the share of test rows."""
    context = [int(n) for n in options.context.split(",")]
    found: dict[tuple[str, str], dict[Split, dict[str, float]]] = {}
    shares = []
    for row in rows:
        track = (row["protocol"], row["context"], row["rows"])
        if row["dataset"] not in datasets or track != ("cv", context, options.rows) or row["error"]:
            continue
        shares.append(row["n_test"] / (row["n_train"] + row["n_valid"]))
        for score in row["scores"]:
            if score["readout"] == options.readout and score["control"] is None:
                cell = found.setdefault((row["method"], score["labels"]), {})
                cell.setdefault((row["fold"], row["seed"]), {})[row["dataset"]] = score["accuracy"]
    means = {
        key: {split: float(np.mean(list(v.values()))) for split, v in splits.items() if len(v) == len(datasets)}
        for key, splits in found.items()
    }
    return means, float(np.mean(shares))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows_file", type=Path)
    parser.add_argument("datasets", help="recordings, separated by commas")
    parser.add_argument("--context", default="0,0")
    parser.add_argument("--readout", default="class")
    parser.add_argument("--rows", default="train")
    options = parser.parse_args()
    datasets = options.datasets.split(",")
    means, share = accuracies(RowsFile(options.rows_file).read(), datasets, options)
    labels = sorted({n for _, n in means}, key=lambda n: float("inf") if n == "all" else int(n))
    methods = [m for m in METHOD_NAMES if any(key[0] == m for key in means)]
    entries: dict[tuple[str, str], str] = {}
    against_others: dict[tuple[str, str], Comparison] = {}
    for n in labels:
        compared: dict[tuple[str, str], Comparison] = {}
        for method in methods:
            ours = means.get((method, n), {})
            if len(ours) < 2:
                continue
            low, high = np.clip(corrected_interval(list(ours.values()), share), 0, 1)
            entries[method, n] = f"{np.mean(list(ours.values())):.3f} [{low:.3f}, {high:.3f}]"
            for other in YARDSTICKS.get(method, ("raw",)):
                theirs = means.get((other, n), {})
                pairs = [ours[s] - theirs[s] for s in ours if s in theirs]
                if len(pairs) > 1:
                    compared[method, other] = compare(pairs, share)
        adjusted = dict(zip(compared, adjust(list(compared.values())), strict=True))
        for (method, other), comparison in adjusted.items():
            if other == "raw":
                entries[method, n] += {"better": " **better**", "worse": " worse"}.get(comparison.verdict, "")
            else:
                against_others[other, n] = comparison
    print(f"| {' + '.join(datasets)}, {options.readout} readout | " + " | ".join(map(_columns, labels)) + " |")
    print("|---" * (len(labels) + 1) + "|")
    for method in methods:
        print(f"| {method_name(method)} | " + " | ".join(entries.get((method, n), "–") for n in labels) + " |")
    for other in dict.fromkeys(name for name, _ in against_others):
        said = [
            f"{_columns(n)} {c.difference:+.3f} [{c.low:+.3f}, {c.high:+.3f}]"
            + (f" ({c.verdict})" if c.verdict in ("better", "worse") else "")
            for n in labels
            if (c := against_others.get((other, n))) is not None
        ]
        print(f"\nMYOW minus {method_name(other)}: {'; '.join(said)}")


def _columns(labels: str) -> str:
    return "all labels" if labels == "all" else f"{labels} label{'' if labels == '1' else 's'}"


if __name__ == "__main__":
    main()
