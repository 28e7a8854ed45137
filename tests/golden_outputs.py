"""Outputs of the command line whose keys other programs rely on: rows of the bench, and evaluations as JSON.

python tests/golden_outputs.py    # writes tests/golden/outputs.json anew
"""

import json
import tempfile
from pathlib import Path

from command import myow

FILE = Path(__file__).parent / "golden" / "outputs.json"
METHODS = "myow,unmined,byol,raw,lda,supervised"


def said(*words):
    """What a command prints; it must go well."""
    called = myow(*words)
    assert called.code == 0, called.err
    return called.out


def keys(value):
    """The keys of what JSON holds, without values; of a list, those of its first."""
    if isinstance(value, dict):
        return {k: keys(v) for k, v in sorted(value.items())}
    if isinstance(value, list):
        return [keys(value[0])] if value else []
    return type(value).__name__ if not isinstance(value, (int, float)) or isinstance(value, bool) else "number"


def everything(folder):
    """Keys of each output, by name, and the scores of what learns nothing by gradients."""
    folder = Path(folder)
    bench = [
        "bench",
        "--out",
        str(folder / "bench"),
        "--datasets",
        "simulated-reach",
        "--methods",
        METHODS,
        "--folds",
        "2",
    ]
    bench += ["--labels", "all,1", "--draws", "2", "--set", "steps=5", "--json", "--quiet"]
    printed = json.loads(said(*bench))
    rows = [json.loads(line) for line in (folder / "bench" / "rows.jsonl").read_text().splitlines()]
    said("train", "simulated-reach", "--out", str(folder / "run"), "--set", "steps=5", "--quiet")
    found = {"bench": keys(printed), "rows": {r["method"]: keys(r) for r in rows}}
    for readout in ("class", "angle", "knn"):
        words = ["evaluate", str(folder / "run"), "--readout", readout, "--json"]
        found[f"evaluate {readout}"] = keys(json.loads(said(*words)))
    found["evaluate labels"] = keys(json.loads(said("evaluate", str(folder / "run"), "--labels", "1", "--json")))
    found["raw"] = [r for r in rows if r["method"] in ("raw", "lda")]
    for row in found["raw"]:
        for name in ("seconds", "machine", "version", "torch", "when", "host"):
            row.pop(name, None)
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        FILE.write_text(json.dumps(everything(folder), indent=0) + "\n")
