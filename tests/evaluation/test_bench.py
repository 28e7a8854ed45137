"""`myow bench`: what becomes a row, what may decide it, and what happens when it is stopped, killed or asked again."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import myow, trials, write

from myow.datasets import load_recording
from myow.errors import FileError, SettingError
from myow.evaluation import bench_jobs as bench_fit
from myow.evaluation import decode as decoding
from myow.evaluation.bench_jobs import Job, carry_out, part_rows, run_job
from myow.evaluation.bench_summary import RowsFile
from myow.evaluation.statistics import control
from myow.methods import method_names
from myow.version import __version__

QUICK = [
    *("--set", "steps=3", "--set", "dim=4", "--set", "hidden=8", "--set", "predictor=8", "--set", "batch_size=32"),
    *("--folds", "3", "--draws", "2"),
]
FAST = ("raw", "pca", "lda", "poisson-nb")


def bench(out, *words):
    return myow("bench", "--out", out, *QUICK, *words)


def rows_of(out):
    return [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data") / "session.npz", **trials(n_segments=30))


@pytest.fixture(scope="module")
def job(file):
    return Job(
        dataset=str(file),
        load=(),
        checksum=load_recording(str(file)).digest(),
        method="raw",
        settings={},
        protocol="cv",
        fold=1,
        folds=3,
        seed=0,
        context=(0, 0),
        rows="train",
        target="direction",
        tasks=(("class", "all"), ("class", "2"), ("angle", "all")),
        draws=2,
    )


@pytest.fixture(scope="module")
def whole(file, tmp_path_factory):
    """All methods on one small recording."""
    out = tmp_path_factory.mktemp("bench") / "whole"
    called = bench(out, "--datasets", file, "--labels", "all,1,2", "--json")
    return out, called.json()


def test_every_method_of_the_folder_gets_a_row_a_fold(whole):
    out, result = whole
    rows = rows_of(out)
    assert result["added"] == len(rows) == 3 * len(method_names())
    assert {(r["method"], r["fold"]) for r in rows} == {(m, f) for m in method_names() for f in range(3)}
    assert [r["error"] for r in rows] == [None] * len(rows)
    assert len({r["key"] for r in rows}) == len(rows)


def test_a_row_stands_alone(whole):
    for row in rows_of(whole[0]):
        assert {
            "dataset",
            "checksum",
            "method",
            "settings",
            "fold",
            "seed",
            "version",
            "torch",
            "machine",
        } <= row.keys()
        assert row["seconds"] > 0 or row["method"] == "raw"
        assert row["peak_memory_mb"] > 50
        assert row["n_train"] + row["n_valid"] + row["n_test"] == 180
        found = {(s["readout"], s["labels"], s["control"]) for s in row["scores"]}
        tasks = {(r, n, None) for r in ("angle", "class") for n in ("all", "1", "2")}
        assert found == tasks | {("class", "all", "permuted"), ("class", "all", "shifted")}
        for score in row["scores"]:
            assert 0 <= score["accuracy"] <= 1
            assert len(score["per_draw"]) == (1 if score["labels"] == "all" else 2)
            assert score["accuracy"] == pytest.approx(np.mean(score["per_draw"]), abs=1e-5)


def test_methods_that_learn_from_labels_are_fitted_again_for_every_draw(whole):
    for row in rows_of(whole[0]):
        # all labels, and two draws each of one and of two trials, which both readouts share
        assert row["fits"] == (1 + 2 * 2 if row["uses_labels"] else 1)


def test_tables_and_figures_are_written(whole):
    out, result = whole
    for name in ("table.md", "table.csv", "table.tex", "rows.jsonl"):
        assert (out / name).stat().st_size > 0
    facts = json.loads((out / "table.json").read_text())
    assert facts["version"] == __version__
    assert facts["bench"]["labels"]
    assert len(pd.read_csv(out / "table.csv")) == len(result["cells"])
    figures = [f for f in result["files"] if f.endswith(".png")]
    assert {Path(f).name.split("_")[0] for f in figures} == {"dots", "labels", "confusion", "embeddings"}
    assert all(Path(f).read_bytes().startswith(b"\x89PNG\r\n\x1a\n") for f in figures)
    assert "no difference shown" in result["table"]


def test_again_adds_no_row_and_more_labels_add_only_what_is_missing(file, tmp_path):
    words = ("--datasets", file, "--methods", "raw,pca", "--json")
    assert bench(tmp_path, *words).json()["added"] == 6
    before = (tmp_path / "rows.jsonl").read_bytes()
    again = bench(tmp_path, *words).json()
    assert again["added"] == 0
    assert (tmp_path / "rows.jsonl").read_bytes() == before
    more = bench(tmp_path, *words, "--labels", "all,1").json()
    assert more["added"] == 6
    assert (tmp_path / "rows.jsonl").read_bytes().startswith(before)
    assert {tuple(map(tuple, r["tasks"])) for r in rows_of(tmp_path)[6:]} == {(("angle", "1"), ("class", "1"))}
    counts = {(c["method"], c["labels"]): c["n"] for c in more["cells"] if c["control"] is None}
    assert set(counts.values()) == {3}


def test_jobs_do_not_change_the_numbers(file, tmp_path):
    # In processes of their own, as a command runs: what earlier tests have loaded may change how numbers are rounded here.
    words = ["--datasets", str(file), "--methods", "myow,pca,supervised,lda", "--labels", "all,1", "--json", "--quiet"]
    found = []
    for n in ("1", "2"):
        command = [sys.executable, "-m", "myow", "bench", "--out", str(tmp_path / n), *QUICK, *words, "--jobs", n]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout)["cells"])
    assert found[0] == found[1]


def test_a_failed_fit_is_a_row_and_the_rest_goes_on(file, tmp_path):
    words = ("--datasets", file, "--methods", "raw,ts", "--set", "ts.tau_pos=1")
    result = bench(tmp_path, *words, "--json").json()
    assert (result["added"], result["failed"]) == (6, 3)
    errors = {r["method"]: r["error"] for r in rows_of(tmp_path)}
    assert errors["raw"] is None
    assert errors["ts"].startswith("SettingError: tau_pos is 1")
    assert "tau\\_pos is 1" in result["table"]
    assert bench(tmp_path, *words, "--json").json()["added"] == 0
    assert bench(tmp_path, *words, "--retry", "--json").json()["added"] == 3
    assert len(RowsFile(tmp_path / "rows.jsonl").read()) == 6


def test_labels_that_are_too_few_make_the_fit_fail_with_words(file, tmp_path):
    result = bench(tmp_path, "--datasets", file, "--methods", "raw", "--labels", "99", "--json").json()
    assert result["failed"] == 3
    assert "99 labelled segments per class were asked for" in rows_of(tmp_path)[0]["error"]


# Nothing of the test rows moves what training did, and labels outside the budget are never read.


@pytest.mark.parametrize("method", method_names())
def test_altered_test_rows_and_labels_move_no_training_quantity(method, job, monkeypatch):
    small = {"steps": 3, "dim": 4, "hidden": (8,), "batch_size": 32}
    known = bench_fit.method_class(method)().get_params()
    job = replace(job, method=method, settings={k: v for k, v in small.items() if k in known})
    recording = load_recording(job.dataset)
    _, _, test = part_rows(recording, None, protocol="cv", target="direction", fold=1, folds=3, seed=0)
    hidden = np.isin(np.arange(len(recording)), test)
    counts = np.where(hidden[:, None], recording.counts[::-1] + 3, recording.counts)
    labels = np.where(hidden, 3 - recording.labels["direction"], recording.labels["direction"])
    altered = replace(recording, counts=counts, labels={"direction": labels})

    class Seen(Exception):
        pass

    def training(rec):
        """Everything that is fitted in a job: every model's weights, every readout's predictions of training rows."""
        quantities = []

        def decode(fitted, parts, **options):
            train, valid, _ = parts
            for labelled in (None, bench_fit.Labelled(np.arange(12), np.zeros(12, int), 1)):
                model = fitted(labelled)
                quantities.append({k: v.numpy().copy() for k, v in model.network_.state_dict().items()})
                quantities.append({"z": model.transform(train), "valid": model.transform(valid)})
            raise Seen

        monkeypatch.setattr(bench_fit, "decode", decode)
        # The same deal of rows, whatever their labels have become.
        rows = part_rows(recording, None, protocol="cv", target="direction", fold=1, folds=3, seed=0)
        with pytest.raises(Seen):
            bench_fit._Fits(job, rec, rows).score("class", "all")
        return quantities

    for one, other in zip(training(recording), training(altered), strict=True):
        assert one.keys() == other.keys()
        for key in one:
            assert np.array_equal(one[key], other[key]), key


@pytest.mark.parametrize("method", [m for m in method_names() if bench_fit.method_class(m).uses_labels])
def test_labels_outside_the_budget_are_never_read(method, job):
    small = {"steps": 3, "dim": 4, "hidden": (8,), "batch_size": 32}
    known = bench_fit.method_class(method)().get_params()
    job = replace(job, method=method, settings={k: v for k, v in small.items() if k in known})
    recording = load_recording(job.dataset)
    rows = part_rows(recording, None, protocol="cv", target="direction", fold=1, folds=3, seed=0)
    budget = bench_fit.Labelled(np.arange(24), np.zeros(24, int), 1)
    drawn = np.isin(np.arange(len(recording)), rows[0][budget.rows])

    def weights(poisoned):
        labels = np.where(poisoned, 3 - recording.labels["direction"], recording.labels["direction"])
        fits = bench_fit._Fits(job, replace(recording, labels={"direction": labels}), rows)
        return {k: v.numpy().copy() for k, v in fits.fitted(budget).network_.state_dict().items()}

    plain, outside, inside = weights(np.zeros_like(drawn)), weights(~drawn), weights(drawn)
    assert all(np.array_equal(plain[key], outside[key]) for key in plain)
    assert any(not np.array_equal(plain[key], inside[key]) for key in plain)


def test_a_readout_is_the_same_whatever_the_test_rows_are(job, monkeypatch):
    recording = load_recording(job.dataset)
    rows = part_rows(recording, None, protocol="cv", target="direction", fold=1, folds=3, seed=0)
    hidden = np.isin(np.arange(len(recording)), rows[2])
    altered = replace(recording, counts=np.where(hidden[:, None], 1, recording.counts))
    found = []
    for rec in (recording, altered):
        fits = bench_fit._Fits(job, rec, rows)
        kept = []
        original = decoding._fit
        monkeypatch.setattr(
            decoding, "_fit", lambda *a, original=original, kept=kept: kept.append(original(*a)) or kept[-1]
        )
        for labels in ("all", "2"):
            fits.score("class", labels)
        monkeypatch.setattr(decoding, "_fit", original)
        z = fits.model.transform(fits.parts[0])
        found.append([(reader.strength, reader.n_train_, reader.predict(z).tolist()) for reader, _ in kept])
    assert len(found[0]) == 3
    assert found[0] == found[1]


# Controls.


@pytest.mark.parametrize("how", ["permuted", "shifted"])
def test_controls_exchange_labels_between_whole_trials(how):
    recording = load_recording("simulated-reach")
    false = control(recording, "direction", how, seed=0, fold=0, folds=5)
    true, new = recording.labels["direction"], false.labels["direction"]
    assert np.array_equal(false.counts, recording.counts)
    assert (new == true).mean() < 0.3
    for segment in np.unique(recording.segments):
        assert len(np.unique(new[recording.segments == segment])) == 1
    trials_of = lambda labels: sorted(labels[np.unique(recording.segments, return_index=True)[1]])  # noqa: E731
    assert trials_of(new) == trials_of(true)


@pytest.mark.parametrize("how", ["permuted", "shifted"])
def test_controls_of_one_long_segment_keep_dwelling(how):
    recording = load_recording("simulated-sleep", ["n_bins=3000"])
    false = control(recording, "state", how, seed=0, fold=1, folds=5)
    true, new = recording.labels["state"], false.labels["state"]
    assert np.array_equal(np.bincount(new), np.bincount(true))
    assert (new == true).mean() < 0.7
    assert (np.diff(new) != 0).mean() < 0.05


def test_controls_come_out_at_chance_where_the_real_labels_do_not(tmp_path):
    result = bench(tmp_path, "--datasets", "simulated-reach", "--methods", "raw,lda", "--folds", "5", "--json").json()
    cells = {(c["method"], c["control"]): c for c in result["cells"] if c["metric"] == "balanced_accuracy"}
    for method in ("raw", "lda"):
        assert cells[method, None]["low"] > 0.4
        for how in ("permuted", "shifted"):
            assert cells[method, how]["low"] < 1 / 8
            assert cells[method, how]["mean"] < 0.22
    assert "ABOVE CHANCE" not in result["table"]


# The rows file.


def test_a_line_that_was_cut_off_is_removed_and_done_again(file, tmp_path):
    words = ("--datasets", file, "--methods", "raw", "--json")
    bench(tmp_path, *words)
    path = tmp_path / "rows.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    assert bench(tmp_path, *words).json()["added"] == 1
    lines = path.read_bytes().splitlines()
    assert len(lines) == 3
    assert {json.loads(line)["key"] for line in lines} == {json.loads(line)["key"] for line in whole.splitlines()}


def test_the_last_row_of_a_key_counts(tmp_path):
    rows = RowsFile(tmp_path / "rows.jsonl")
    assert rows.read() == []
    for key, value in (("a", 1), ("b", 2), ("a", 3)):
        rows.append({"key": key, "value": value})
    assert rows.read() == [{"key": "a", "value": 3}, {"key": "b", "value": 2}]
    with pytest.raises(ValueError, match="not JSON compliant"):
        rows.append({"key": "c", "value": float("nan")})
    assert len(rows.read()) == 2


@pytest.mark.parametrize("line", ["not json", "[1]", '{"method": "raw"}'])
def test_a_line_that_is_no_row_is_named(line, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"key": "a"}\n' + line + "\n")
    with pytest.raises(FileError, match=r"line 2 of .*rows\.jsonl is not a row"):
        RowsFile(tmp_path / "rows.jsonl").read()


def test_two_benches_cannot_write_to_one_folder(file, tmp_path):
    with RowsFile(tmp_path / "rows.jsonl").locked():
        assert "another bench is writing" in bench(tmp_path, "--datasets", file, "--methods", "raw").error()


def test_rows_of_another_version_are_not_mixed_in(file, tmp_path):
    bench(tmp_path, "--datasets", file, "--methods", "raw")
    path = tmp_path / "rows.jsonl"
    path.write_text(path.read_text().replace('"version": "', '"version": "0.0.'))
    assert "rows of version 0.0." in bench(tmp_path, "--datasets", file, "--methods", "raw").error()


@pytest.mark.parametrize("other", [["--set", "noise=0.5"], ["--draws", "3"], ["--folds", "4"]])
def test_fits_of_other_settings_are_not_mixed_in(other, file, tmp_path):
    words = ("--datasets", file, "--methods", "byol")
    bench(tmp_path, *words)
    before = (tmp_path / "rows.jsonl").read_bytes()
    assert "use another folder" in bench(tmp_path, *words, *other).error()
    assert (tmp_path / "rows.jsonl").read_bytes() == before


# Interrupted and killed.


def test_a_bench_that_is_killed_goes_on_and_loses_and_repeats_nothing(file, tmp_path):
    words = [
        "bench",
        "--out",
        str(tmp_path / "a"),
        *QUICK,
        "--datasets",
        str(file),
        "--methods",
        "raw,pca,byol",
        "--quiet",
    ]
    child = subprocess.Popen([sys.executable, "-m", "myow", *words], stdout=subprocess.DEVNULL)
    path = tmp_path / "a" / "rows.jsonl"
    deadline = time.monotonic() + 120
    while (not path.exists() or path.read_bytes().count(b"\n") < 2) and time.monotonic() < deadline:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    kept = path.read_bytes()
    assert kept.count(b"\n") >= 2
    assert myow(*words).code == 0
    assert path.read_bytes().startswith(kept[: kept.rfind(b"\n") + 1])
    assert len({r["key"] for r in rows_of(tmp_path / "a")}) == len(rows_of(tmp_path / "a")) == 9


@pytest.mark.parametrize("backend", ["loky", "dask", pytest.param("ray", marks=pytest.mark.slow)])
def test_every_backend_gives_the_same_rows_and_an_error_becomes_a_row(backend, job):
    if backend != "loky":
        pytest.importorskip({"dask": "distributed", "ray": "ray"}[backend])
    jobs = [replace(job, fold=fold, method=method) for fold in range(3) for method in ("raw", "pca")]
    jobs += [replace(job, checksum="other")]
    expected = {j.key: run_job(j).row["scores"] for j in jobs}
    done = list(carry_out(jobs, n_jobs=2, backend=backend))
    assert {d.job.key: d.row["scores"] for d in done} == expected
    assert len(done) == len(jobs)
    assert [d.job.checksum for d in done if d.row["error"]] == ["other"]


def test_a_worker_that_is_killed_ends_the_bench_with_one_line_and_the_next_call_goes_on(file, tmp_path, monkeypatch):
    words = ("--datasets", file, "--methods", "raw,pca", "--jobs", "2")
    monkeypatch.setattr("myow.evaluation.bench_jobs.run_job", deadly_at_the_last_fold)
    assert "a worker of loky died (TerminatedWorkerError)" in bench(tmp_path, *words, "--quiet").error()
    kept = (tmp_path / "rows.jsonl").read_bytes() if (tmp_path / "rows.jsonl").exists() else b""
    monkeypatch.undo()
    assert bench(tmp_path, *words, "--json").json()["failed"] == 0
    assert (tmp_path / "rows.jsonl").read_bytes().startswith(kept)
    assert len({r["key"] for r in rows_of(tmp_path)}) == len(rows_of(tmp_path)) == 6


def deadly_at_the_last_fold(job):
    if job.fold == 2:
        time.sleep(2)  # so that others are done first
        os.kill(os.getpid(), signal.SIGKILL)
    return run_job(job)


# What is refused, and with which words.


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--methods", "myo"], "unknown method 'myo'; did you mean 'myow'"),
        (["--protocol", "cvs"], "unknown protocol 'cvs'; did you mean 'cv'"),
        (["--rows", "test"], "unknown rows 'test'"),
        (["--readouts", "clas"], "unknown readout 'clas'; did you mean 'class'"),
        (["--labels", "0"], "labels are '0'; write all, or numbers"),
        (["--folds", "1"], "folds is 1; it must be 2 or more"),
        (["--seeds", "0"], "seeds is 0; it must be 1 or more"),
        (["--context", "2"], "context is '2'; write bins before and after"),
        (["--set", "stepz=3"], "unknown setting 'stepz'; did you mean 'steps'"),
        (["--set", "mywo.steps=3"], "unknown method 'mywo'; did you mean 'myow'"),
        (["--set", "random_state=3"], "random_state is not set with --set"),
        (["--jobs", "0"], "jobs is 0; it must be 1 or more"),
        (["--backend", "slurm"], "unknown backend 'slurm'"),
        (["--readouts", "angle", "--datasets", "simulated-sleep"], "none of the readouts angle suits label"),
    ],
)
def test_what_cannot_work_is_one_line(words, message, file, tmp_path):
    data = [] if "--datasets" in words else ["--datasets", file]
    assert message in myow("bench", "--out", tmp_path / "a", *data, *words).error()


def test_a_file_that_is_not_there_is_an_error_and_a_published_one_a_column(tmp_path, monkeypatch):
    assert "there is no file" in bench(tmp_path, "--datasets", "nowhere.npz").error()
    monkeypatch.setattr(
        "myow.evaluation.bench.load_recording",
        lambda name, load: (
            (_ for _ in ()).throw(FileError("no copy of it")) if name == "mihi-2" else load_recording(name)
        ),
    )
    result = bench(tmp_path, "--datasets", "simulated-reach,mihi-2", "--methods", "raw", "--json").json()
    assert result["missing"] == {"mihi-2": "no copy of it"}
    assert "data not at hand" in result["table"]


def test_one_split_is_not_tested(file, tmp_path):
    result = bench(tmp_path, "--datasets", file, "--methods", "raw,pca", "--protocol", "released", "--json").json()
    assert result["added"] == 2
    assert not any(c["against"] for c in result["cells"])
    assert "one split" in result["table"]


def test_rows_all_and_windows_are_tracks_of_their_own(file, tmp_path):
    words = ("--datasets", file, "--methods", "raw,pca,supervised", "--json")
    bench(tmp_path, *words)
    bench(tmp_path, *words, "--rows", "all")
    result = bench(tmp_path, *words, "--context", "0,0", "--context", "1,1").json()
    tracks = {(tuple(c["track"]["context"]), c["track"]["rows"]) for c in result["cells"]}
    assert tracks == {((0, 0), "train"), ((0, 0), "all"), ((1, 1), "train")}
    assert all(c["n"] == 3 for c in result["cells"])


def test_a_worker_with_another_file_refuses(job):
    row = run_job(replace(job, checksum="other")).row
    assert "has other values here" in row["error"]


def test_an_unknown_fold_is_refused():
    recording = load_recording("simulated-reach")
    with pytest.raises(SettingError, match="fold is 5"):
        part_rows(recording, None, protocol="cv", target="direction", fold=5, folds=5, seed=0)
