"""Two benches of MYOW, with and without something, set against each other fold by fold.

Accuracies of the class readout of the same fold and seed are averaged over the recordings; printed are both means and the paired
difference with the corrected interval of `myow bench`.

    python benchmarks/twin.py with/rows.jsonl without/rows.jsonl chewie-1,chewie-2,mihi-1
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from together import accuracies

from myow.bench.rows_file import RowsFile
from myow.probe.compare import compare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("datasets", help="recordings, separated by commas")
    options = parser.parse_args()
    both = [RowsFile(path).read() for path in (options.first, options.second)]
    for context in ("0,0", "2,2"):
        chosen = argparse.Namespace(context=context, readout="class", rows="train")
        (first, share), (second, _) = (accuracies(rows, options.datasets.split(","), chosen) for rows in both)
        for method, labels in (key for key in second if key in first):
            a, b = first[method, labels], second[method, labels]
            splits = [split for split in a if split in b]
            found = compare(np.array([a[s] - b[s] for s in splits]), share)
            means = (np.mean([v[s] for s in splits]) for v in (a, b))
            print(
                f"context {context}, {method}, {labels} labels: {next(means):.3f}, {next(means):.3f}, "
                f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
            )


if __name__ == "__main__":
    main()
