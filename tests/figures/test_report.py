"""Reports: numbers are those of the evaluations, foreign text stays text, and pages work in a real browser."""

import html
import json
import math
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from browser import Page, browser
from command import QUICK, SMALL, myow, trials, write
from sklearn.exceptions import NotFittedError

from myow import BYOL, MYOW, Recording, evaluate, load_model, report
from myow.cli.train import evaluate_run, train_run
from myow.errors import FileError, SettingError
from myow.figures.page import Packed, as_json, without_home
from myow.methods.runs import RunFolder

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&$\\frac{<svg onload=alert(2)>"


class Read(HTMLParser):
    """Numbers of the verdict, the text, and what could run or load something."""

    def __init__(self, page):
        super().__init__()
        self.numbers, self.loads, self.scripts, self.handlers, self.text = [], [], 0, [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        about = dict(attrs)
        self.scripts += tag == "script"
        self.handlers += [key for key in about if key.startswith("on")]
        if tag == "data":
            self.numbers.append((about["data-name"], about["value"]))
        if tag in ("link", "img", "script", "iframe", "object", "embed", "source"):
            self.loads += [about[key] for key in ("src", "href", "data") if key in about]

    def handle_data(self, data):
        self.text.append(data)


def value_at(found, name):
    for part in name.split("."):
        found = found[int(part)] if part.isdigit() else found[part]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small run of trials, evaluated with all labels and with few."""
    home = tmp_path_factory.mktemp("report")
    data = write(home / "trials.npz", **trials(n_segments=60))
    out = home / "run"
    train_run(str(data), out, settings=["steps=30", *QUICK[1:]], shares=(0.6, 0.2, 0.2), progress=False)
    for labels in (None, 2):
        evaluate_run(out, target="direction", readout="class", labels=labels, draws=3, draw=False)
    return out


@pytest.fixture(scope="module")
def page(folder, tmp_path_factory):
    """Its report, alone in a folder."""
    path = tmp_path_factory.mktemp("alone") / "report.html"
    report(folder, out=path)
    return path


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """The report of a run whose recording has names that try to run something."""
    home = tmp_path_factory.mktemp("hostile")
    arrays = {k: v for k, v in trials(n_segments=40).items() if k not in ("direction", "period_direction", "place")}
    direction = np.repeat(np.arange(40), 6) % 3
    arrays |= {
        HOSTILE: np.array([f"{HOSTILE}{d}" for d in direction]),
        "units": np.array([f"{HOSTILE}{i}" for i in range(6)]),
        "name": np.array(HOSTILE),
    }
    data = home / f"{'<b>&amp;'}.npz"
    np.savez(data, **arrays)
    out = home / "run"
    train_run(str(data), out, settings=QUICK, progress=False)
    evaluate_run(out, target=HOSTILE, draws=2, draw=False)
    return report(out, full=True).save(home / "page.html")


def test_every_number_of_the_verdict_is_one_of_the_evaluation(folder, page):
    every = [json.loads(path.read_text()) for path in sorted(folder.glob("evaluation_*.json"))]
    numbers = Read(page.read_text()).numbers
    assert len(numbers) > 20
    split = [i for i, (name, _) in enumerate(numbers) if name == "accuracy"]
    assert len(split) == len(every) == 2
    ordered = sorted(every, key=lambda one: one["labels"] is not None)  # all labels come first
    for found, start, stop in zip(ordered, split, [*split[1:], None], strict=True):
        for name, value in numbers[start:stop]:
            assert float(value) == value_at(found, name)


def test_evaluate_says_the_same_numbers_and_writes_the_page(folder, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    found = myow("evaluate", run, "--target", "direction", "--readout", "class", "--json").json()
    numbers = Read((run / "report.html").read_text()).numbers
    stop = [i for i, (name, _) in enumerate(numbers) if name == "accuracy"][1]
    assert {float(v) == value_at(found, name) for name, v in numbers[:stop]} == {True}
    assert {name for name, _ in numbers[:stop]} >= {"accuracy", "interval.0", "interval.1", "majority"}


def test_labels_that_say_nothing_show_no_difference(tmp_path):
    rng = np.random.default_rng(3)
    arrays = trials(n_segments=60) | {"direction": np.repeat(rng.permutation(np.arange(60) % 4), 6)}
    out = tmp_path / "run"
    train_run(str(write(tmp_path / "a.npz", **arrays)), out, settings=QUICK, shares=(0.6, 0.2, 0.2), progress=False)
    evaluate_run(out, target="direction", readout="class", draw=False)
    text = report(out).html
    assert len(re.findall("<p>No difference shown from", text)) == 3
    assert "<p>Better than" not in text


def test_foreign_text_stays_text_and_cannot_close_a_script(hostile):
    page = hostile.read_text()
    read = Read(page)
    assert read.scripts == 3
    assert read.handlers == []
    assert all(load.startswith("data:") for load in read.loads)
    assert "onerror=alert" in "".join(read.text)  # it is shown
    assert "<img src=x" not in page
    assert "<svg onload" not in page


def test_json_in_a_script_is_closed_against_its_end():
    text = as_json({HOSTILE: [HOSTILE]})
    assert not set("<>&") & set(text)
    assert json.loads(text) == {HOSTILE: [HOSTILE]}


def test_the_policy_allows_the_pages_own_script_alone(page):
    policy = html.unescape(re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page.read_text())[1])
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[\w+/=]+'", rules["script-src"])
    assert rules["img-src"] == "data:"


def test_homes_are_cut_from_paths(folder, monkeypatch, tmp_path):
    assert without_home("see /home/ann/x and /Users/bo/y") == "see ~/x and ~/y"
    assert without_home(r"C:\Users\ann\z") == r"~\z"
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    about = json.loads((run / "run.json").read_text())
    about["recording"]["file"] = "/home/ann.secret/lab/a.npz"
    (run / "run.json").write_text(json.dumps(about))
    page = report(run).html
    assert "ann.secret" not in page
    assert "~/lab/a.npz" in page


def test_without_activity_no_count_is_in_the_file(folder):
    with_, without = report(folder).html, report(folder, activity=False).html
    assert '"activity":{' in with_
    assert '"rasters":{' in with_
    assert "Rates of units" in with_
    assert '"activity":{' not in without
    assert '"rasters":{' not in without
    assert "Rates of units" not in without
    assert "Counts were left out" in without


def test_more_bins_than_the_explorer_holds_are_thinned_and_the_page_says_so(folder, monkeypatch, tmp_path):
    monkeypatch.setattr("myow.figures.run_figures.MOST_BINS", 100)
    path = tmp_path / "page.html"
    report(folder, out=path)
    assert "The explorer shows 90 of 360 bins" in path.read_text()
    with browser() as opened:
        shown = Page(opened, path)
        assert shown.page.get_attribute("#bin", "max") == "89"
        shown.page.click("#link")
        assert 0 <= shown.state("at") < 90
        assert shown.complaints == []


def test_bins_of_many_units_are_thinned_too_so_that_a_page_of_a_large_file_can_be_made(folder, monkeypatch, tmp_path):
    units = load_model(folder / "model.myow").n_features_in_
    monkeypatch.setattr("myow.figures.run_figures.MOST_VALUES", 180 * units)
    report(folder, out=tmp_path / "page.html")
    assert "The explorer shows 180 of 360 bins" in (tmp_path / "page.html").read_text()


def test_several_runs_are_compared(folder, tmp_path):
    other = tmp_path / "other"
    run = RunFolder(folder).read()
    train_run(run.data, other, settings=QUICK, seed=1, progress=False)
    page = report(folder, other).html
    assert "Mean R²" in page
    assert "Agreement of 2 embeddings" in page


@pytest.fixture(scope="module")
def in_python():
    """A model, its recording and an evaluation, which no folder knows of."""
    arrays = trials(n_segments=40)
    labels = {"direction": arrays["direction"], "place": arrays["place"]}
    rec = Recording(arrays["counts"], bin_size=0.1, segments=arrays["segments"], labels=labels, name="at hand")
    small = dict(pair.split("=") for pair in QUICK)
    model = MYOW(**{key: int(value) for key, value in small.items() if key != "hidden"}, hidden=(8,), random_state=0)
    return model.fit(rec), rec, evaluate(model, rec, target="direction", cv=4)


def test_a_model_in_python_has_a_page_of_what_is_known(in_python, tmp_path):
    path = report(*in_python).save(tmp_path / "page.html")
    page = path.read_text()
    numbers = Read(page).numbers
    assert len(numbers) > 10
    assert {float(value) == value_at(in_python[2], name) for name, value in numbers} == {True}
    assert "How the model was trained is not recorded" in page
    assert "The encoder was trained on all of these bins." in page
    assert "myow.MYOW(" in html.unescape(page)
    assert in_python[1].digest() in page
    for left_out in ("Mined views</h2>", "Training</h2>", "Split:", "training trials"):
        assert left_out not in page
    with browser() as opened:
        shown = Page(opened, path)
        shown.page.focus("#bin")
        shown.page.keyboard.press("ArrowRight")
        assert "trial" in shown.page.inner_text("#facts")
        assert shown.complaints == []
        assert shown.faults() == []


def test_a_model_in_python_without_an_evaluation_says_so_or_is_cross_validated(in_python):
    model, rec, _ = in_python
    half = rec.select(rec.segments < 20)
    page = report(model, half).html
    assert "Nothing was read out of the embedding yet" in page
    assert "Which of these bins the encoder was trained on is not known." in page
    full = report(model, rec, full=True).html
    assert "mean of 5 folds." in full
    assert "With labels exchanged between segments" in full
    assert ">Units</h2>" in full


def test_a_model_of_several_sessions_shows_the_one_that_fits(in_python):
    _, rec, _ = in_python
    other = Recording(rec.counts[:, :4], bin_size=0.1, segments=rec.segments, labels=rec.labels, name="other")
    model = BYOL(steps=6, dim=4, hidden=(8,), predictor=8, read_in=4, batch_size=32, random_state=0)
    page = report(model.fit({"one": rec, "two": other}), other).html
    assert "The model learnt from 2 sessions. This page shows two; one is not shown." in page


def test_what_is_no_model_with_its_recording_is_refused(in_python):
    model, rec, found = in_python
    for words, said in (
        ((model,), "myow.report\\(model, recording\\)"),
        ((model, found), "myow.report\\(model, recording\\)"),
        ((model, rec, rec), "here is a Recording"),
        ((rec, model), "a Recording is no run"),
    ):
        with pytest.raises(SettingError, match=said):
            report(*words)
    with pytest.raises(NotFittedError):
        report(MYOW(), rec)


def test_a_folder_without_a_run_and_no_folder_at_all_are_refused(tmp_path):
    with pytest.raises(FileError, match="not a run folder"):
        report(tmp_path)
    with pytest.raises(SettingError, match="name their folders"):
        report()
    with pytest.raises(SettingError, match="say where with out"):
        report(tmp_path, open=True)


def test_a_notebook_shows_the_page_in_a_frame_of_its_own(folder):
    shown = report(folder)._repr_html_()
    assert shown.startswith("<iframe")
    assert "<script" not in shown  # all of it is escaped
    assert 'sandbox="allow-scripts"' in shown


def test_packed_numbers_come_back():
    packed = Packed()
    values = np.array([0, 7, 65535, 256])
    packed.add("wide", values)
    packed.add("narrow", np.array([1, 255]))
    packed.add_rising("steps", np.array([5, 4, 1000]))
    packed.add_scaled("real", np.array([-1.0, np.nan, 3.0]), missing=np.array([False, True, False]))
    assert {name: about["kind"] for name, about in packed.about.items()} == {
        "wide": "u16", "narrow": "u8", "steps": "steps", "real": "u16",
    }  # fmt: skip
    assert packed.about["real"]["low"] == -1
    assert math.isclose(packed.about["real"]["high"], 3)


def test_angles_are_written_alike_everywhere(tmp_path):
    turn = np.repeat(np.arange(48) % 16, 6)
    arrays = trials(n_segments=48) | {"direction": turn, "period_direction": 16.0}
    angle = {"heading": np.where(np.arange(288) % 2, 31.25, 123.4) + turn, "period_heading": 360.0}
    out = tmp_path / "run"
    train_run(str(write(tmp_path / "a.npz", **arrays, **angle)), out, settings=QUICK, progress=False)
    evaluate_run(out, target="direction", readout="class", draw=False)
    path = report(out).save(tmp_path / "page.html")
    spec = json.loads(re.search(r'id="spec">(.*?)</script>', path.read_text())[1])
    sixteen = [f"{22.5 * i:g}°" for i in range(16)]
    shown = next(label for label in spec["labels"] if label["name"] == "direction")
    assert shown["values"] == spec["mined"]["matrix"]["names"] == sixteen
    assert {one["label"] for one in spec["mined"]["about"]} <= set(sixteen)
    assert set(spec["prediction"]["values"]) <= set(sixteen)
    with browser() as opened:
        at = Page(opened, path).page
        at.focus("#bin")
        at.keyboard.press("ArrowRight")
        assert re.search(r"heading\s*31\.[23]°", at.inner_text("#facts"))


def test_100_000_bins_fit_into_three_megabytes(tmp_path):
    rng = np.random.default_rng(0)
    n = 100_000
    state = np.repeat(rng.integers(0, 8, n // 50), 50)
    rates = rng.gamma(1.0, 1.5, (8, 80))
    np.savez(
        tmp_path / "long.npz",
        counts=rng.poisson(rates[state]).astype(np.uint8),
        bin_size=0.05,
        segments=np.arange(n) // 50,
        direction=state,
        speed=rng.normal(size=n),
        place=rng.normal(size=(n, 2)),
    )
    out = tmp_path / "run"
    train_run(str(tmp_path / "long.npz"), out, settings=QUICK, progress=False)
    path = tmp_path / "page.html"
    report(out, out=path)
    assert path.stat().st_size <= 3_000_000
    with browser() as opened:
        shown = Page(opened, path)
        assert shown.complaints == []
        shown.page.click("#turn")
        shown.page.click("#reset")
        assert shown.state("space")


# In a browser.


def test_it_opens_from_an_empty_folder_without_a_request_or_complaint(page):
    with browser() as opened:
        shown = Page(opened, page)
        assert shown.requests == [page.as_uri()]
        assert shown.complaints == []
        assert shown.page.is_visible("#app")
        assert shown.page.is_hidden("#still")


def test_hover_click_keyboard_and_colours(page):
    with browser() as opened:
        shown = Page(opened, page)
        at = shown.page
        at.focus("#bin")
        at.keyboard.press("ArrowRight")
        assert shown.state("at") == 1
        assert "trial" in at.inner_text("#facts")
        canvas = at.locator("#views canvas").first
        canvas.focus()
        at.keyboard.press("n")
        assert shown.state("at") == 2
        at.keyboard.press("Escape")
        assert shown.state("at") == -1
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        for x in range(5, 100, 3):  # somewhere there is a mark
            at.mouse.move(box["x"] + box["width"] * x / 100, box["y"] + box["height"] / 2)
            if at.is_visible("#tip"):
                break
        assert "trial" in at.inner_text("#tip")
        at.mouse.down()
        at.mouse.up()
        assert shown.state("at") >= 0
        assert at.locator("#near button").count() == 3
        at.locator("#near button").first.click()
        at.click("#turn")
        assert shown.state("space")
        yaw = shown.state("yaw")
        canvas.focus()
        at.keyboard.press("ArrowRight")
        assert shown.state("yaw") > yaw
        at.select_option("#colour", label="time")
        assert "s" in at.inner_text("#legend")
        at.select_option("#colour", label="direction")
        at.locator("#legend button").nth(1).click()
        assert shown.state("only") == 1
        at.select_option("#view", label="side by side")
        assert at.locator("#views canvas:visible").count() == 3
        at.click("#means")
        assert shown.state("means")
        assert shown.complaints == []


def test_every_control_can_be_reached_by_the_keyboard(page):
    with browser() as opened:
        at = Page(opened, page).page
        reached = set()
        for _ in range(120):
            at.keyboard.press("Tab")
            reached.add(at.evaluate("document.activeElement.id || document.activeElement.textContent"))
        wanted = {"view", "colour", "turn", "means", "path", "reset", "bin", "step", "link", "theme"}
        assert wanted <= reached


def test_mined_views_over_training(page):
    with browser() as opened:
        at = Page(opened, page).page
        before = at.inner_text("#stepnow")
        at.focus("#step")
        at.keyboard.press("Home")
        assert at.inner_text("#stepnow") != before
        at.locator("#anchors button").nth(2).click()
        said = at.inner_text("#pairsaid")
        assert said.startswith("Anchor: trial")
        assert "Mined: trial" in said or "Nothing was mined" in said
        at.click("#link")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 400])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_page(page, scheme, width):
    with browser() as opened:
        shown = Page(opened, page, color_scheme=scheme, viewport={"width": width, "height": 900})
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
        shown.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert shown.faults() == []


def test_a_button_turns_the_page_dark(page):
    with browser() as opened:
        at = Page(opened, page).page
        light = at.evaluate("getComputedStyle(document.body).backgroundColor")
        at.click("#theme")
        assert at.evaluate("getComputedStyle(document.body).backgroundColor") != light


def test_without_scripts_figures_and_tables_stand(page):
    with browser() as opened:
        at = Page(opened, page, java_script_enabled=False).page
        assert at.is_visible("#still img")
        assert at.is_visible("#minedstill img")
        assert at.is_visible("#decoding table")
        assert at.locator("#training svg").count() >= 1
        assert at.is_hidden("#app")


def test_it_prints(page, tmp_path):
    with browser() as opened:
        shown = Page(opened, page, color_scheme="dark")
        shown.page.pdf(path=tmp_path / "page.pdf")
        assert (tmp_path / "page.pdf").stat().st_size > 50_000
        assert shown.complaints == []


def test_hostile_names_run_nothing(hostile):
    with browser() as opened:
        shown = Page(opened, hostile)
        at = shown.page
        for option in range(at.locator("#colour option").count()):
            at.select_option("#colour", index=option)
        at.focus("#bin")
        at.keyboard.press("ArrowRight")
        assert "onerror=alert" in at.inner_text("#facts")
        assert at.locator("img[src=x]").count() == 0
        assert shown.complaints == []
        assert shown.requests == [hostile.as_uri()]


# Of a bench, and from the command line.


def test_a_bench_has_a_page_of_the_same_make(tmp_path):
    data = write(tmp_path / "trials.npz", **trials(n_segments=40))
    words = ["--methods", "raw,pca", "--folds", "2", "--labels", "all,2", "--draws", "2", "--quiet"]
    assert myow("bench", "--out", tmp_path / "bench", "--datasets", data, *words).code == 0
    path = tmp_path / "page.html"
    report(tmp_path / "bench", out=path)
    with browser() as opened:
        shown = Page(opened, path)
        assert shown.complaints == []
        assert shown.faults() == []
        assert shown.page.locator("#scores svg").count() >= 1
        assert shown.page.locator("#label-curves svg").count() >= 1
        assert shown.page.locator("#table table tbody tr").count() >= 4


def test_commands_write_it_unless_told_not_to(tmp_path):
    data = write(tmp_path / "trials.npz")
    assert myow("train", data, "--out", tmp_path / "a", "--quiet", "--no-figures", *SMALL).code == 0
    assert not (tmp_path / "a" / "report.html").exists()
    assert myow("report", tmp_path / "a", "--out", tmp_path / "p.html").out.startswith(str(tmp_path / "p.html"))
    assert myow("report", tmp_path / "a", "--without-activity").code == 0
    assert "Counts were left out" in (tmp_path / "a" / "report.html").read_text()
    assert "not a run folder" in myow("report", Path(tmp_path)).error()
