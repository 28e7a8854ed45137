"""Many sessions: trained together, a read-in for an animal that was not trained on, and for the same animal months later.

Three questions, each asked with seeds; every seed deals the trials anew. No label is used before the readout.

- transfer: MYOW learns from chewie-1 and chewie-2; for mihi-1 a read-in is adapted on Mihi's training trials with all else
  frozen ("adapted read-in"), or everything then goes on learning, from all three sessions ("adapted encoder"). A readout of
  reach direction is fitted on Mihi's training and validation trials, or on a few, and scored on Mihi's test trials. With 0
  labels, a readout fitted on chewie-1's embedding names Mihi's test trials. Beside it:
  MYOW trained on the same trials of mihi-1 alone, raw counts (each unit on its own scale, or all on one), a read-in adapted
  without the earlier recordings, the two read-ins that adaptation begins with (matched trials where the earlier recordings
  are at hand, else principal components) and one of random numbers.
- drift: MYOW learns from Chewie's October (chewie-1); a read-in for December (chewie-2) is adapted. With 0 labels, the
  readout fitted on October's embedding names December's test trials; with n, a readout is fitted on n labelled trials of
  December a direction. Beside it: what stands beside transfer. There is no row of raw counts for 0 labels, since the two
  days have different units. "right turn" is the share of seeds where 0 labels read more than half of what all labels read.
- joint: MYOW learns from chewie-1, chewie-2 and mihi-1 together, and each session is read out with its own labels. Beside it,
  for each session: MYOW trained on it alone, raw counts, and both adaptations of a model of the two others. Numbers are means
  over the sessions. "which is better" is how often the score of held-out segments, which needs no labels, named the better
  adaptation.

    MYOW_DATA=folder python benchmarks/sessions.py [transfer] [drift] [joint] [--seeds 10] [--steps 600] [--labels all,1,5]
        [--context 2,2] [--set read_in=64] [--keep rows.jsonl]

Steps are 600, and for joint those that MYOW takes for so many sessions, where none are given. A number of labelled trials may
name how they are read, as a bench does: "1-semi" learns from unlabelled training trials too, "all-auto" lets validation rows
choose between a logistic readout and one by LDA.

Printed is a Markdown table: the mean over seeds with the deviation over seeds. Chance is 1/8. With --simulated all questions
are asked of simulated sessions, which settings may be tuned on.
"""

from __future__ import annotations

import argparse
import copy
import json
import shlex
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed

import myow
from myow.data.splits import split_rows
from myow.errors import MyowError
from myow.evaluation.decode import decode
from myow.evaluation.readouts import fit_readout
from myow.methods.runs import generic_split
from myow.nn.read_in import read_in_encoders
from myow.settings import parse_settings

TARGET, CHANCE = "direction", 1 / 8
RAW = ("raw counts", "raw counts, one scale")
QUESTIONS = ("transfer", "drift", "joint")
Parts = tuple[myow.Recording, myow.Recording, myow.Recording]


def sessions_of(question: str, simulated: bool) -> tuple[list[myow.Recording], myow.Recording]:
    """Recordings to train on, and the one that comes later."""
    if simulated:
        many = [
            myow.load("simulated-reach", seed=seed, n_units=units) for seed, units in ((0, 174), (1, 150), (2, 187))
        ]
        first, second, third = (replace(r, name=f"simulated-{i}") for i, r in enumerate(many))
    else:
        first, second, third = (myow.load(name) for name in ("chewie-1", "chewie-2", "mihi-1"))
    return ([first, second], third) if question == "transfer" else ([first], second)


def deal(recording: myow.Recording, seed: int) -> Parts:
    """Training, validation and test trials of one seed."""
    train, valid, test = (recording.select(rows) for rows in split_rows(recording, generic_split(recording, seed)))
    return train, valid, test


def at_random(model: Any, seed: int) -> Any:
    """The model with the newest read-in replaced by random numbers of the same size, and the same in the target."""
    model = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    weight = next(read_in_encoders(model.network_)).linear()[-1].weight
    drawn = torch.randn(weight.shape, generator=generator).to(weight) * weight.detach().std()
    for encoder in read_in_encoders(model.network_):
        encoder.put(-1, drawn)
    return model


def context_of(options: argparse.Namespace) -> tuple[int, int]:
    """Bins before and after that everyone sees."""
    before, after = options.context.split(",")
    return int(before), int(after)


def settings_of(options: argparse.Namespace, seed: int, steps: int | None) -> dict[str, Any]:
    """Settings of MYOW."""
    given = parse_settings(myow.MYOW, options.set)
    steps = steps if options.steps is None else options.steps
    return (
        {"read_in": 64, "context": context_of(options)}
        | given
        | {"steps": steps, "random_state": seed, "device": "cpu"}
    )


def accuracies(name: str, model: Any, parts: Parts, seed: int, options: argparse.Namespace) -> dict[str, float]:
    """Accuracy at every number of labels."""
    scaling = {"raw counts": "each", "raw counts, one scale": "common"}.get(name)
    found = {}
    for asked in options.labels.split(","):
        labels, *how = asked.split("-")
        result = decode(
            lambda _: model,
            parts,
            target=TARGET,
            readout="class",
            labels=None if labels == "all" else int(labels),
            draws=options.draws,
            seed=seed,
            scaling=scaling,
            classifier=next((word for word in how if word != "semi"), "logistic"),
            semi_supervised="semi" in how,
        )
        found[asked] = float(result["accuracy"])
    return found


def joint_seed(seed: int, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Accuracy of every row at every number of labels, means over the sessions; what each session has is under its name."""
    torch.set_num_threads(1)
    pair, last = sessions_of("transfer", options.simulated)
    sessions = {r.name: deal(r, seed) for r in (*pair, last)}
    settings = settings_of(options, seed, steps=None)
    start = time.perf_counter()
    together = myow.MYOW(**settings).fit({name: parts[0] for name, parts in sessions.items()})
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, parts in sessions.items():
        models: dict[str, Any] = {
            "trained together": together.of_session(name),
            "trained on it alone": myow.MYOW(**settings | {"read_in": None}).fit(parts[0]),
            **dict.fromkeys(RAW, myow.Raw(context=context_of(options)).fit(parts[0])),
        }
        told: dict[str, float] = {}
        if not options.no_adapt:
            before = {other: p[0] for other, p in sessions.items() if other != name}
            earlier = myow.MYOW(**settings).fit(before)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # which one is better is a row of its own
                for row, more in (
                    ("adapted read-in", {}),
                    ("adapted encoder", {"unfreeze": "encoder"}),
                ):
                    adapted = copy.deepcopy(earlier).adapt(
                        parts[0], name=name, with_=list(before.values()), steps=options.adapt_steps, **more
                    )
                    models[row] = adapted.of_session(name)
                    told |= adapted.trained_on_[-1].get("recognition", {})
        found[name] = {row: accuracies(row, model, parts, seed, options) for row, model in models.items()}
        if told:
            found[name]["recognition"] = told
    rows = [row for row in next(iter(found.values())) if row != "recognition"]
    labels = options.labels.split(",")
    means = {row: {n: float(np.mean([one[row][n] for one in found.values()])) for n in labels} for row in rows}
    if not options.no_adapt:
        right = {
            n: [
                (one["recognition"]["encoder"] > one["recognition"]["read_in"])
                == (one["adapted encoder"][n] > one["adapted read-in"][n])
                for one in found.values()
            ]
            for n in labels
        }
        means["which is better"] = {n: float(np.mean(values)) for n, values in right.items()}
    return {"seconds": {"all": time.perf_counter() - start}} | means | {"sessions": found}  # type: ignore[dict-item]


def one_seed(question: str, seed: int, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Accuracy of every row at every number of labels: {"adapted read-in": {"all": 0.6, "1": ...}, ...}."""
    if question == "joint":
        return joint_seed(seed, options)
    torch.set_num_threads(1)
    known, later = sessions_of(question, options.simulated)
    settings = settings_of(options, seed, steps=600)
    parts = deal(later, seed)
    before = {r.name: deal(r, seed) for r in known}
    start = time.perf_counter()
    model = myow.MYOW(**settings).fit({name: p[0] for name, p in before.items()})
    given = [p[0] for p in before.values()]

    def adapted(steps: int | None, with_: Any, **more: str) -> myow.MYOW:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # which one is better is told by their rows
            return copy.deepcopy(model).adapt(parts[0], name=later.name, steps=steps, with_=with_, **more)

    unfrozen = adapted(options.adapt_steps, given, unfreeze="encoder")
    components = adapted(0, ())
    alone = myow.MYOW(**settings | {"read_in": None, "mine_sessions": "all"}).fit(parts[0])
    models = {
        "adapted read-in": adapted(options.adapt_steps, given),
        "adapted encoder": unfrozen,
        "adapted read-in, earlier not at hand": adapted(options.adapt_steps, ()),
        "trained on it alone": alone,
        **dict.fromkeys(RAW, myow.Raw(context=context_of(options)).fit(parts[0])),
        "matched trials, no steps": adapted(0, given),
        "principal components, no steps": components,
        "untrained read-in": at_random(components, seed),
    }
    found: dict[str, dict[str, float]] = {"seconds": {"all": time.perf_counter() - start}}
    found["recognition"] = unfrozen.trained_on_[-1]["recognition"]
    for name, judged in models.items():
        found[name] = accuracies(name, judged, parts, seed, options)
        if later.name in getattr(judged, "sessions_", {}):
            found[name]["0"] = _without_labels(judged, before, parts[2])
    return found


def _without_labels(model: Any, before: dict[str, Parts], test: myow.Recording) -> float:
    """Accuracy on a later session's test trials of a readout that was fitted on the earlier sessions' trials."""
    (train, valid, _), *_ = before.values()
    z, z_valid = model.transform(train), model.transform(valid)
    reader = fit_readout("class", z, train.labels[TARGET], z_valid, valid.labels[TARGET])
    return float(np.mean(reader.predict(model.transform(test)) == test.labels[TARGET]))


def table(question: str, seeds: list[dict[str, dict[str, float]]], labels: list[str]) -> str:
    """Mean and deviation over seeds, a row a model and a column a number of labelled trials."""
    lines = [
        f"| {question} | " + " | ".join(column(n) for n in labels) + " |",
        "|---|" + "---|" * len(labels),
    ]

    def cell(values: list[float], sign: str = "") -> str:
        deviation = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
        return f"{np.mean(values):{sign}.3f}{deviation}"

    for name in (n for n in seeds[0] if n not in ("seconds", "sessions", "recognition")):
        cells = [cell([s[name][n] for s in seeds]) if n in seeds[0][name] else "" for n in labels]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    judged = ("trained together", "adapted encoder", "adapted read-in")
    for ours in (row for row in judged if row in seeds[0]):
        for other in ("trained on it alone", *RAW):
            both = [n for n in labels if n in seeds[0][other]]
            apart = {n: cell([s[ours][n] - s[other][n] for s in seeds], "+") for n in both}
            lines.append(f"| {ours} minus {other} | " + " | ".join(apart.get(n, "") for n in labels) + " |")
    for name in (n for n in seeds[0] if n.startswith("adapted") and "0" in seeds[0][n]):
        right = float(np.mean([s[name]["0"] > s[name]["all"] / 2 for s in seeds]))
        lines.append(f"| right turn, {name} | {right:.2f} |" + " |" * (len(labels) - 1))
    lines.append("| chance | " + " | ".join([f"{CHANCE:.3f}"] * len(labels)) + " |")
    return "\n".join(lines)


def all_seeds(question: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """What `one_seed` finds for every seed; those that --keep holds, of the same options, are taken from there."""
    asked = {k: v for k, v in vars(options).items() if k not in ("questions", "seeds", "jobs", "keep", "json")}
    key = {"question": question, "options": asked, "version": myow.__version__}
    kept = {}
    if options.keep and options.keep.exists():
        rows = [json.loads(line) for line in options.keep.read_text().splitlines()]
        kept = {row["seed"]: row["found"] for row in rows if row["key"] == key}
    left = [seed for seed in range(options.seeds) if seed not in kept]
    run: Callable[..., Any] = Parallel(n_jobs=options.jobs, return_as="generator")
    for seed, found in zip(left, run(delayed(one_seed)(question, seed, options) for seed in left), strict=True):
        kept[seed] = found
        if options.keep:
            with options.keep.open("a") as file:
                file.write(json.dumps({"key": key, "seed": seed, "found": found}) + "\n")
    return [kept[seed] for seed in range(options.seeds)]


def column(labels: str) -> str:
    """Head of a column."""
    number, *how = labels.split("-")
    said = {"semi": "unlabelled too", "lda": "LDA", "auto": "logistic or LDA"}
    return ", ".join(["all labels" if number == "all" else f"{number} a direction", *(said[word] for word in how)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", nargs="*", help="transfer, drift, joint; all by default")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, help="steps of training")
    parser.add_argument("--adapt-steps", type=int, help="steps of adaptation, as many as of training by default")
    parser.add_argument("--labels", default="all,1,2,5", help="labelled trials a direction, such as 1, 1-semi, all-lda")
    parser.add_argument("--draws", type=int, default=10, help="random choices of labelled trials, averaged")
    parser.add_argument("--context", default="0,0", help="bins before and after that everyone sees")
    parser.add_argument("--no-adapt", action="store_true", help="of joint: leave out adaptation")
    parser.add_argument("--set", action="append", default=[], help="setting of MYOW, key=value")
    parser.add_argument("--simulated", action="store_true", help="on simulated sessions")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="file of seeds: those that it holds are not run again")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    questions = options.questions or list(QUESTIONS)
    unknown = [q for q in questions if q not in QUESTIONS]
    if unknown:
        sys.exit(f"error: unknown question '{unknown[0]}'. Choices: {', '.join(QUESTIONS)}")
    found = {}
    for question in questions:
        try:
            found[question] = all_seeds(question, options)
        except MyowError as error:
            sys.exit(f"error: {error}")
    command = shlex.join(["python", "benchmarks/sessions.py", *sys.argv[1:]])
    if options.json:
        print(json.dumps({"command": command, "version": myow.__version__, "torch": torch.__version__} | found))
        return
    asked = options.labels.split(",")
    for question, seeds in found.items():
        columns = asked if question == "joint" else ["0", *asked]
        seconds = np.mean([s["seconds"]["all"] for s in seeds])
        print(table(question, seeds, columns))
        print(
            f"\n`{command}`, myow {myow.__version__}, torch {torch.__version__}, {len(seeds)} seeds, "
            f"{seconds:.0f} s a seed; accuracy, ± is the deviation over seeds.\n"
        )


if __name__ == "__main__":
    main()
