"""Watchers: what training leaves in files, also when it is cut off and goes on."""

import io
import json
import re

import numpy as np
import pytest
import torch
from rich.console import Console
from tiny import SMALL, Notes, reach

from myow.errors import FileError, SettingError
from myow.methods import make_method, method_class
from myow.training.callbacks import MetricsFile, PairsFile, ProgressBar, TensorBoard, read_metrics


def run(callback, start, stop, total=10, pairs=None, trace="mined_pairs"):
    """Tell a callback of steps start + 1 to stop, with a record at each."""
    callback.begin(start, total)
    for step in range(start + 1, stop + 1):
        traces = {} if pairs is None else {trace: torch.tensor(pairs(step))}
        callback.record(step, {"loss": 1.0 / step}, traces)
        callback.step(step)
    callback.end()


def test_metrics_are_one_json_line_a_record(tmp_path):
    path = tmp_path / "metrics.jsonl"
    run(MetricsFile(path), 0, 3)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert [line["loss"] for line in lines] == [1, 1 / 2, 1 / 3]
    seconds = [line["seconds"] for line in lines]
    assert seconds == sorted(seconds)
    assert read_metrics(path) == lines


def test_a_resumed_run_drops_what_it_measures_again_and_its_clock_goes_on(tmp_path):
    path = tmp_path / "metrics.jsonl"
    rows = [{"step": s, "seconds": 100.0 + s, "loss": -1.0} for s in (1, 2, 3, 4)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run(MetricsFile(path), 2, 4)
    found = read_metrics(path)
    assert [m["step"] for m in found] == [1, 2, 3, 4]
    assert found[:2] == rows[:2]
    assert [m["loss"] for m in found[2:]] == [1 / 3, 1 / 4]
    assert found[2]["seconds"] >= 102


def test_a_fresh_run_drops_all_that_an_earlier_one_measured(tmp_path):
    path = tmp_path / "metrics.jsonl"
    run(MetricsFile(path), 0, 4)
    run(MetricsFile(path), 0, 2)
    assert [m["step"] for m in read_metrics(path)] == [1, 2]


@pytest.mark.parametrize("tail", ['{"step": 3, "lo', "\x00\xff", "{"])
def test_a_line_cut_off_by_a_crash_is_left_out(tmp_path, tail):
    path = tmp_path / "metrics.jsonl"
    run(MetricsFile(path), 0, 2)
    with path.open("ab") as file:
        file.write(tail.encode("latin-1"))
    assert [m["step"] for m in read_metrics(path)] == [1, 2]
    run(MetricsFile(path), 2, 3)
    assert [m["step"] for m in read_metrics(path)] == [1, 2, 3]


def test_metrics_that_cannot_be_written_are_a_file_error(tmp_path):
    callback = MetricsFile(tmp_path / "metrics.jsonl")
    callback.begin(0, 2)
    callback.path = tmp_path / "gone" / "metrics.jsonl"
    with pytest.raises(FileError, match=r"cannot write .*metrics\.jsonl"):
        callback.record(1, {"loss": 1.0}, {})


def pairs_of(step):
    return [[step, step + 1], [step + 2, -1]]


def test_mined_pairs_are_kept_by_step(tmp_path):
    path = tmp_path / "mined.npz"
    run(PairsFile(path, "mined"), 0, 3, pairs=pairs_of)
    with np.load(path) as found:
        assert found["step"].tolist() == [1, 2, 3]
        assert found["anchor"].tolist() == [[1, 3], [2, 4], [3, 5]]
        assert found["mined"].tolist() == [[2, -1], [3, -1], [4, -1]]


def test_each_file_keeps_its_own_trace_under_its_own_name(tmp_path):
    path = tmp_path / "near.npz"
    run(PairsFile(path, "neighbour"), 0, 2, pairs=pairs_of)
    assert not path.exists()
    run(PairsFile(path, "neighbour"), 0, 2, pairs=pairs_of, trace="neighbour_pairs")
    run(PairsFile(path, "neighbour"), 1, 2, pairs=lambda step: [[7, 8], [9, -1]], trace="neighbour_pairs")
    with np.load(path) as found:
        assert {k: v.tolist() for k, v in found.items()} == {
            "step": [1, 2], "anchor": [[1, 3], [7, 9]], "neighbour": [[2, -1], [8, -1]]
        }  # fmt: skip


def test_a_resumed_run_keeps_the_pairs_before_it(tmp_path):
    path = tmp_path / "mined.npz"
    run(PairsFile(path, "mined"), 0, 3, pairs=pairs_of)
    run(PairsFile(path, "mined"), 2, 4, pairs=lambda step: [[10 * step, 0], [1, 1]])
    with np.load(path) as found:
        assert found["step"].tolist() == [1, 2, 3, 4]
        assert found["anchor"][:, 0].tolist() == [1, 2, 30, 40]


def test_a_fresh_run_has_no_pairs_of_an_earlier_one_even_if_it_mines_nothing(tmp_path):
    path = tmp_path / "mined.npz"
    run(PairsFile(path, "mined"), 0, 3, pairs=pairs_of)
    run(PairsFile(path, "mined"), 0, 2)
    assert not path.exists()


def test_damaged_pairs_are_a_file_error(tmp_path):
    path = tmp_path / "mined.npz"
    path.write_bytes(b"junk")
    with pytest.raises(FileError, match=r"mined\.npz is damaged"):
        PairsFile(path, "mined").begin(1, 2)
    run(PairsFile(path, "mined"), 0, 1, pairs=pairs_of)
    with pytest.raises(FileError, match=r"mined\.npz is damaged"):
        PairsFile(path, "neighbour").begin(1, 2)  # an archive, but of something else


def shown_by_bar(monkeypatch, terminal):
    drawn = io.StringIO()

    def console(**_):
        return Console(file=drawn, force_terminal=terminal, width=150)

    monkeypatch.setattr("rich.console.Console", console)
    run(ProgressBar("myow on tiny"), 2, 10)
    return drawn.getvalue()


def test_the_bar_shows_terms_rate_and_count_on_a_terminal(monkeypatch):
    shown = shown_by_bar(monkeypatch, True)
    for part in ("myow on tiny", "10/10", "steps/s", "loss 0.1"):
        assert part in shown


def test_at_80_columns_the_terms_give_way_and_count_and_time_left_stay(monkeypatch):
    bar = ProgressBar("myow on a recording with a long name.npz")
    shown = slow_training(monkeypatch, 0.1, 900, bar, terminal=True, width=80)
    lines = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line) for line in re.split(r"[\r\n]+", shown)]
    (last,) = [line for line in lines if "900/900" in line][-1:]
    assert re.match(r"myow on a recording wit… \S+ 900/900 10 steps/s \d:\d\d:\d\d ", last)
    assert max(map(len, lines)) <= 80


def test_the_bar_leaves_to_figures_what_has_no_room(monkeypatch):
    drawn = io.StringIO()
    monkeypatch.setattr("rich.console.Console", lambda **_: Console(file=drawn, force_terminal=True, width=200))
    bar = ProgressBar("a")
    bar.begin(0, 2)
    bar.record(1, {"loss": 1.0, "uniformity": -1.0, "effective_rank": 3.0, "learning_rate": 0.1}, {})
    bar.step(1)
    bar.end()
    assert "effective rank 3" in drawn.getvalue()
    assert not [word for word in ("uniformity", "learning") if word in drawn.getvalue()]


def test_a_short_training_says_nothing_where_there_is_no_terminal(monkeypatch):
    assert shown_by_bar(monkeypatch, False).strip() == ""


def slow_training(monkeypatch, per_step, total, bar, terminal=False, width=200):
    """Steps that take so long each, by a clock of our own."""
    drawn, now = io.StringIO(), [0.0]
    monkeypatch.setattr("myow.training.callbacks.time.monotonic", lambda: now[0])
    monkeypatch.setattr("rich.console.Console", lambda **_: Console(file=drawn, force_terminal=terminal, width=width))
    bar.begin(0, total)
    for step in range(1, total + 1):
        now[0] += per_step
        if step % 10 == 1:
            bar.record(step, {"loss": 0.5}, {})
        bar.step(step)
    bar.end()
    return drawn.getvalue()


def test_a_pipe_gets_a_line_now_and_then_with_steps_time_left_and_loss(monkeypatch):
    lines = slow_training(monkeypatch, 0.1, 400, ProgressBar("MYOW on cpu", after=1.0)).splitlines()
    assert 3 <= len(lines) <= 6
    assert lines[0].startswith("MYOW on cpu: 20 of 400 steps, 10 steps/s, 38 s left  loss 0.5")
    assert lines[-1].startswith("MYOW on cpu: 400 of 400 steps in 40 s")
    assert not any("about" in line for line in lines)


def test_a_training_of_over_a_minute_is_said_to_be_long_before_it_goes_on(monkeypatch):
    lines = slow_training(monkeypatch, 0.1, 1200, ProgressBar("MYOW on cpu", after=1.0)).splitlines()
    assert lines[0].startswith("MYOW on cpu: about 2 min 0 s for 1,200 steps; fewer steps")
    assert sum("about" in line for line in lines) == 1
    assert len(lines) < 15


def test_what_is_over_in_a_second_stays_silent(monkeypatch):
    assert slow_training(monkeypatch, 0.01, 90, ProgressBar("MYOW on cpu", after=1.0), terminal=True) == ""
    shown = slow_training(monkeypatch, 0.1, 90, ProgressBar("MYOW on cpu", after=1.0), terminal=True)
    assert "MYOW on cpu" in shown
    assert "90/90" in shown


@pytest.mark.parametrize("method", ["myow", "byol", "supervised", "pivae"])
def test_a_fit_shows_how_it_goes_unless_it_is_told_not_to(monkeypatch, method):
    made = []
    monkeypatch.setattr("myow.methods.base.ProgressBar", lambda title, after: made.append(title) or Notes())
    rec = reach()
    known = method_class(method)().get_params()
    settings = {k: v for k, v in SMALL.items() if k in known}
    given = (rec, rec.labels["direction"])
    make_method(method, **settings).fit(*given)
    assert made == [f"{method_class(method).__name__} on cpu"]
    make_method(method, **settings, verbose=False).fit(*given)
    make_method(method, **settings).fit(*given, callbacks=[ProgressBar("of one's own")])
    assert len(made) == 1


def test_verbose_is_no_part_of_a_checkpoint_nor_of_a_saved_model(tmp_path):
    rec = reach()
    model = make_method("byol", **SMALL).fit(rec, folder=tmp_path)
    quiet = make_method("byol", **SMALL, verbose=False).fit(rec, folder=tmp_path, resume=True)
    assert np.array_equal(model.transform(rec), quiet.transform(rec))
    quiet.save(tmp_path / "a.myow")
    assert b"verbose" not in (tmp_path / "a.myow").read_bytes()


def test_tensorboard_writes_events(tmp_path):
    pytest.importorskip("tensorboard")
    run(TensorBoard(tmp_path), 0, 3)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path)).Reload()
    assert [e.step for e in events.Scalars("loss")] == [1, 2, 3]
    assert [e.value for e in events.Scalars("loss")] == pytest.approx([1, 1 / 2, 1 / 3])


def test_missing_tensorboard_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(SettingError, match=r"myow\[tensorboard\]"):
        TensorBoard(tmp_path)
