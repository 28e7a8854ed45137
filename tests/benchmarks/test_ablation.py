"""The script that changes one thing at a time: what it fits, what it does not fit twice, and what it says."""

import importlib.util
import json
import sys
from argparse import Namespace

import numpy as np
import pytest
from places import BENCHMARKS
from scipy import stats

import myow

FOLDER = BENCHMARKS
SPEC = importlib.util.spec_from_file_location("ablation", FOLDER / "ablation.py")
ablation = sys.modules["ablation"] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(ablation)

TINY = {"steps": "5", "hidden": "8", "dim": "4", "predictor": "6", "batch_size": "64"}


def entry(group, name, **settings):
    return {"group": group, "name": name, "method": "myow", "settings": TINY | settings}


PLANS = {
    "few": [
        entry("reference", "tiny"),
        entry("mining", "off", mined_weight="0"),
        entry("mining", "the default weight", mined_weight=str(myow.MYOW().mined_weight)),
        entry("views", "impossible", dropout="2"),
    ],
    "augmentation": [
        entry("reference", "tiny"),
        entry("noise", "noise 0", noise="0"),
        entry("noise", "noise default"),
        entry("noise", "noise 0 off", noise="0", mined_weight="0"),
        entry("none", "nothing", noise="0", dropout="0", positives="0,0"),
        entry("dropout", "dropout 0", dropout="0"),
    ],
}


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    (tmp_path / "plans.json").write_text(json.dumps(PLANS))
    fits = []
    carry_out = ablation.carry_out

    def counted(jobs, **how):
        fits.append(len(jobs))
        return carry_out(jobs, **how)

    monkeypatch.setattr(ablation, "carry_out", counted)

    def call(*words):
        fixed = [
            "simulated-reach",
            "--folds",
            "2",
            "--draws",
            "1",
            "--labels",
            "all,1",
            "--jobs",
            "1",
            "--markdown",
            "--plans",
        ]
        places = [str(tmp_path / "plans.json"), "--out", str(tmp_path / "out")]
        monkeypatch.setattr(sys, "argv", ["ablation.py", *fixed, *places, *map(str, words)])
        ablation.main()
        return fits[-1], capsys.readouterr().out

    call.out = tmp_path / "out"
    call.plans = tmp_path / "plans.json"
    return call


def cells(text):
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    heading, _, *rows = [[cell.strip() for cell in line] for line in lines]
    return {row[1]: dict(zip(heading, row, strict=True)) for row in rows}


def lines_of(run):
    return [json.loads(line) for line in (run.out / "rows.jsonl").read_text().splitlines()]


def test_a_plan_is_fitted_once_and_differences_are_paired(run):
    fitted, said = run("--plan", "few")
    assert fitted == 3 * 2  # a default that is written out is no other fit
    assert (run.out / "few-simulated-reach-0-0.md").read_text() == said
    assert "python benchmarks/ablation.py simulated-reach" in said
    assert myow.__version__ in said
    shown = cells(said)
    assert list(shown) == [e["name"] for e in PLANS["few"]]
    assert shown["impossible"]["labels: all"] == "failed"
    assert "dropout is 2.0" in said
    for column in ("difference, all", "difference, 1"):
        assert shown["tiny"][column] == shown["the default weight"][column] == "the reference"

    lines = [line for line in lines_of(run) if line["error"] is None]
    assert len(lines) == 4
    assert {len(line["settings"]) for line in lines} == {len(myow.MYOW().get_params()) - 3}
    for labels in ("all", "1"):
        on, off = (
            np.array([line["accuracy"][labels] for line in lines if (line["settings"]["mined_weight"] > 0) == mining])
            for mining in (True, False)
        )
        share = np.mean([line["n_test"] / (line["n_train"] + line["n_valid"]) for line in lines[:2]])
        d = off - on
        reach = stats.t.ppf(0.975, 1) * np.sqrt((1 / 2 + share) * d.var(ddof=1))
        assert (
            shown["off"][f"difference, {labels}"]
            == f"{d.mean():+.3f} [{d.mean() - reach:+.3f}, {d.mean() + reach:+.3f}]"
        )
        assert shown["tiny"][f"labels: {labels}"] == f"{on.mean():.3f} ± {on.std(ddof=1):.3f}"


def test_an_interrupted_run_goes_on_and_other_settings_are_other_lines(run):
    assert run("--plan", "few", "--only", "off")[0] == 4
    whole = (run.out / "rows.jsonl").read_text().splitlines(keepends=True)
    (run.out / "rows.jsonl").write_text("".join(whole[:3]) + whole[3][:50])  # cut off in the midst of a line
    fitted, said = run("--plan", "few", "--only", "off")
    assert fitted == 1
    assert list(cells(said)) == ["tiny", "off"]
    assert run("--plan", "few", "--only", "off")[0] == 0
    assert run("--plan", "few", "--only", "off", "--context", "1,1")[0] == 4
    changed = [PLANS["few"][0], entry("mining", "off", mined_weight="0", noise="0.4")]
    run.plans.write_text(json.dumps({"few": changed}))
    assert run("--plan", "few")[0] == 2
    assert len({line["key"] for line in lines_of(run)}) == len(lines_of(run)) == 10


def test_a_line_of_other_defaults_or_another_version_does_not_count(run, monkeypatch):
    assert run("--plan", "few", "--only", "off")[0] == 4
    others = myow.MYOW.__init__.__kwdefaults__ | {"noise": 0.7}
    monkeypatch.setattr(myow.MYOW.__init__, "__kwdefaults__", others)
    assert myow.MYOW().noise == 0.7
    assert run("--plan", "few", "--only", "off")[0] == 4
    monkeypatch.setattr(ablation.myow, "__version__", "0.0.0")
    assert run("--plan", "few", "--only", "off")[0] == 4


def test_augmentations_become_a_figure(run, monkeypatch):
    drawn = []
    draw = ablation.draw_augmentation_curves
    monkeypatch.setattr(ablation, "draw_augmentation_curves", lambda *a, **k: drawn.append((a, k)) or draw(*a, **k))
    assert run("--plan", "augmentation")[0] == 5 * 2
    assert (run.out / "augmentation-simulated-reach-0-0.png").read_bytes().startswith(b"\x89PNG")
    (((points,), more),) = drawn
    defaults = myow.MYOW()
    assert more["defaults"] == {"noise": defaults.noise, "dropout": defaults.dropout}
    found = {(p.augmentation, p.strength, p.mining) for p in points}
    assert found == {
        ("noise", 0.0, True), ("noise", defaults.noise, True), ("noise", 0.0, False), ("dropout", 0.0, True), (None, 0.0, True)
    }  # fmt: skip
    assert {(p.labels, len(p.scores)) for p in points} == {("all", 2), ("1", 2)}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--plan", "fev"], "did you mean 'few'"),
        (["--plan", "few", "--only", "of"], "did you mean 'off'"),
        (["--plan", "few", "--labels", "some"], "labels are 'some'"),
        (["--plan", "few", "--context", "1"], "context=1 does not fit"),
        (["--plans", "nowhere.json"], "cannot read plans"),
    ],
)
def test_what_cannot_be_run_is_one_line(words, said, run):
    with pytest.raises(SystemExit) as stop:
        run(*words)
    assert said in str(stop.value)
    assert "\n" not in str(stop.value)


def test_a_variant_of_a_method_keeps_its_settings():
    options = Namespace(dataset="simulated-reach", context="0,0", labels="all", folds=2, seeds=1, draws=1)
    entry = ablation.Entry(group="mining", name="off", method="unmined", settings={"steps": "3"})
    jobs = ablation.jobs_of(entry, myow.load("simulated-reach", n_trials=16), options)
    assert {(job.settings["mined_weight"], job.settings["steps"]) for job in jobs} == {(0.0, 3)}


@pytest.mark.parametrize("plan", ["ablation", "augmentation"])
def test_the_plans_that_are_kept_can_be_read(plan):
    entries = ablation.read_plan(FOLDER / "ablation.json", plan)
    assert entries[0].settings == {}
    for e in entries:
        kind = ablation.method_class(e.method)
        kind(**ablation.parse_settings(kind, [f"{k}={v}" for k, v in e.settings.items()]))
