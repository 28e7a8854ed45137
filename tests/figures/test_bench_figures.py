"""Tables and figures of a bench: what they print is what the cells say, and nothing is cut off."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread
from matplotlib.text import Text

from myow.errors import DataError, FileError
from myow.evaluation.bench_summary import Cell, Track, summarise
from myow.evaluation.published import (
    DAGGER,
    METHOD_NAMES,
    PUBLISHED,
    grouped_methods,
    method_name,
    published,
    published_beside,
)
from myow.evaluation.statistics import Comparison
from myow.figures import bench_figures, bench_sections, bench_tables, decoding, embedding, style
from myow.figures.bench_figures import draw_bench
from myow.figures.bench_tables import HEAD

CV = Track("cv", (0, 0), "train")
WINDOWS = Track("cv", (2, 2), "train")
RELEASED = Track("released", (0, 0), "train")
USES_LABELS = ("pivae", "supervised", "poisson-nb", "lda")


def compared(difference, p=0.001):
    verdict = "no difference shown" if p >= 0.05 else "better" if difference > 0 else "worse"
    return Comparison(difference, difference - 0.01, difference + 0.02, p / 2, p, 25, verdict)


def cell(dataset="chewie-1", method="myow", mean=0.7, **more):
    about = {
        "track": CV, "readout": "angle", "labels": "all", "metric": "accuracy", "control": None, "label_unit": None,
        "low": mean - 0.02, "high": mean + 0.03, "deviation": 0.01, "n": 25, "uses_labels": method in USES_LABELS,
        "majority": 0.14, "n_classes": 8, "against": {},
    }  # fmt: skip
    return Cell(dataset=dataset, method=method, mean=mean, **about | more)


def many(datasets=tuple(PUBLISHED), methods=tuple(METHOD_NAMES), readout="class", labels=("1", "5", "all"), track=CV):
    rng = np.random.default_rng(0)
    made = []
    for dataset in datasets:
        unit = "minute" if dataset in ("rat-v1", "mouse-ca1") else "segment"
        for number in labels:
            for method in methods:
                few = None if number == "all" else unit
                about = {"readout": readout, "labels": number, "label_unit": few, "track": track}
                made.append(cell(dataset, method, rng.uniform(0.4, 0.9), **about))
    return made


def semi(datasets=("chewie-1",), methods=("myow", "raw", "pca", "lda")):
    """Cells with unlabelled segments and without, the latter for all labels too."""
    more = many(datasets, methods, "class-semi", ("1", "5"))
    return many(datasets, methods) + [replace(one, mean=one.mean + 0.03) for one in more]


def texts(figure):
    return [t.get_text() for t in figure.findobj(Text) if t.get_visible() and t.get_text()]


def tables(text):
    """Tables of a Markdown page by their title: rows of entries, without the line of dashes."""
    found, title = {}, ""
    for line in text.splitlines():
        if line.startswith("#"):
            title = line.strip("# ")
        elif line.startswith("|"):
            row = [entry.strip() for entry in line.strip("|").split("|")]
            if not set(line) <= set("|-: "):
                found.setdefault(title, []).append(row)
    return found


def row_of(table, method):
    return dict(zip(table[0], next(r for r in table if r[0] == method), strict=True))


# What was published.


def test_published_figures_are_shares_of_known_methods():
    assert published("mihi-2", "pivae") == 0.6326
    assert published("mouse-ca1", "myow") == 0.9370
    assert published("chewie-1", "lda") is None
    assert published("elsewhere", "myow") is None
    for figures in PUBLISHED.values():
        assert len(figures) == 8
        assert set(figures) <= set(METHOD_NAMES)
        assert all(0 < v < 1 for v in figures.values())


@pytest.mark.parametrize(
    ("dataset", "readout", "labels", "metric", "shown"),
    [
        ("chewie-1", "angle", "all", "accuracy", 0.7054),
        ("chewie-1", "class", "all", "accuracy", None),
        ("chewie-1", "angle", "5", "accuracy", None),
        ("chewie-1", "angle", "all", "delta_accuracy", None),
        ("rat-v1", "class", "all", "accuracy", 0.8801),
        ("rat-v1", "class", "all", "weighted_f1", None),
    ],
)
def test_published_figures_stand_only_beside_the_same_measure(dataset, readout, labels, metric, shown):
    assert published_beside(dataset, "myow", readout=readout, labels=labels, metric=metric) == shown


@given(st.lists(st.tuples(st.sampled_from([*METHOD_NAMES, "new", "other"]), st.booleans())))
def test_groups_hold_each_method_once(methods):
    grouped = [m for _, members in grouped_methods(methods) for m in members]
    assert sorted(grouped) == sorted({m for m, _ in methods})
    assert all(members for _, members in grouped_methods(methods))


def test_a_newcomer_goes_by_its_identifier_and_stands_last_in_its_group():
    assert method_name("new-method") == "new-method"
    assert grouped_methods([("new", True), ("lda", True)]) == [("learnt with labels", ["lda", "new"])]


# Markdown.

CELLS = [
    cell("chewie-1", "myow", 0.7, against={"raw": compared(0.1), "byol": compared(0.02, 0.2)}),
    cell("chewie-1", "byol", 0.68, against={"raw": compared(-0.05)}),
    cell("chewie-1", "lda", 0.6, against={"raw": compared(0.0, 1.0)}, n=20),
    cell("chewie-1", "raw", 0.6),
    cell("mihi-1", "raw", 0.5),
    *(
        cell("mouse-ca1", m, 0.9, readout="class", metric=k, n_classes=3, majority=0.55)
        for m in ("myow", "raw")
        for k in ("accuracy", "balanced_accuracy", "weighted_f1")
    ),
    cell("chewie-1", "raw", 0.4, labels="5", label_unit="segment"),
    cell("chewie-1", "raw", 0.8, track=WINDOWS),
]


def test_a_cell_holds_mean_interval_verdict_and_the_posters_figure():
    table = tables(bench_tables.markdown(CELLS))["Angle readout, all training labels"]
    # The windowed track has a table of the same title; its rows come after those of the first.
    first = table[: next(i for i, row in enumerate(table) if i and row[0] == "method")]
    assert first[0] == ["method", "chewie-1", "mihi-1"]
    assert [row[0] for row in first] == [
        "method", "**learnt without labels**", "MYOW", "BYOL", "**learnt with labels**", f"LDA {DAGGER}", "**no learning**",
        "raw counts", "majority class",
    ]  # fmt: skip
    assert row_of(first, "MYOW")["chewie-1"] == "0.700 [0.680, 0.730]<br>better<br>(poster 0.705)"
    assert row_of(first, "BYOL")["chewie-1"] == "0.680 [0.660, 0.710]<br>worse<br>(poster 0.666)"
    assert row_of(first, f"LDA {DAGGER}")["chewie-1"] == "0.600 [0.580, 0.630]<br>no difference shown<br>20 of 25 fits"
    assert row_of(first, "raw counts") == {
        "method": "raw counts", "chewie-1": "0.600 [0.580, 0.630]", "mihi-1": "0.500 [0.480, 0.530]"
    }  # fmt: skip
    assert row_of(first, "MYOW")["mihi-1"] == bench_sections.ABSENT
    assert row_of(first, "majority class")["mihi-1"] == "0.140"


def test_tracks_stand_apart():
    text = bench_tables.markdown(CELLS)
    single, windows = (text.index(f"## {t.describe().capitalize()}\n") for t in (CV, WINDOWS))
    assert single < windows
    assert "0.800" not in text[:windows]
    assert "0.800 [0.780, 0.830]" in text[windows:]


def test_states_have_weighted_f1_beside_the_accuracy_and_directions_do_not():
    table = tables(bench_tables.markdown(CELLS))["Class readout, all training labels"]
    assert table[0] == ["method", "mouse-ca1 accuracy", "mouse-ca1 weighted F1"]
    assert row_of(table, "MYOW")["mouse-ca1 accuracy"].endswith("(poster 0.937)")
    assert "poster" not in row_of(table, "MYOW")["mouse-ca1 weighted F1"]
    assert row_of(table, "majority class")["mouse-ca1 weighted F1"] == ""
    told = tables(bench_tables.markdown(CELLS, periods={"mouse-ca1": 4.0}))["Class readout, all training labels"]
    assert told[0] == ["method", "mouse-ca1"]


HOLM = "adjusted (Holm) for the comparisons of the column"


def test_what_holds_for_all_tables_is_said_once_on_top():
    text = bench_tables.markdown(CELLS)
    top, below = text.split("## How to read\n")[1].split(f"## {CV.describe().capitalize()}\n", 1)
    for said in (
        HOLM,
        "Intervals are of the mean over overlapping splits (corrected resampled t) and are not adjusted.",
    ):
        assert top.count(said) == 1
        assert said not in below
    assert f"- {DAGGER}: learns from labels.\n" in top
    assert "- (poster): " in top
    assert f"- {bench_sections.ABSENT}: " in top
    assert "- n of N fits: " in top
    assert "- MYOW against BYOL is among those comparisons.\n" in top
    assert "released" not in top
    assert "### Class readout, all training labels\n\nAccuracy, mean of 25 fits.\n\n|" in below


def test_only_what_occurs_is_explained():
    top = bench_tables.markdown([cell(method="raw", labels="5")]).split("## Single")[0]
    assert not [
        sign for sign in (DAGGER, "poster", bench_sections.ABSENT, "n of N", "BYOL", "Not tested") if sign in top
    ]
    released = bench_tables.markdown([cell(track=RELEASED)]).split("## Single")[0]
    assert "bootstrap over test segments, and nothing is tested" in released
    assert "Holm" not in released
    both = bench_tables.markdown([cell(track=RELEASED), cell()]).split("## Single")[0]
    assert "nothing is tested" in both
    assert HOLM in both
    assert "- Not tested: " in both
    assert "How to read" not in bench_tables.markdown([])


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([cell(n=1)], "Accuracy (within 22.5° of the true direction), one fit."),
        ([cell(n=5), cell(method="raw", n=3)], "Accuracy (within 22.5° of the true direction), mean of 5 fits."),
        (
            [cell(n=25, readout="knn"), cell("rat-v1", n=10, readout="knn"), cell("mihi-1", n=25, readout="knn")],
            "Accuracy of nearest neighbours, mean of 25 (chewie-1, mihi-1) or 10 (rat-v1) fits.",
        ),
        ([cell(readout="continuous", metric="r2")], "R², mean of 25 fits."),
        ([cell(metric="delta_accuracy")], "Accuracy (within 22.5° of the true direction)."),
    ],
)
def test_each_table_says_what_it_measures_over_how_many_fits(cells, said):
    assert f"\n\n{said}\n\n|" in bench_tables.markdown(cells)


def test_columns_stand_without_data_and_say_why():
    text = bench_tables.markdown(
        CELLS, datasets=["mihi-2", "rat-v1", "mihi-1"], missing={"mihi-2": "no file; set MYOW_DATA", "rat-v1": ""}
    )
    found = tables(text)
    assert found["Angle readout, 5 labelled segments per class"][0] == ["method", "mihi-2", "chewie-1"]
    states = found["Class readout, all training labels"]
    assert states[0] == ["method", "mihi-2", "rat-v1", "mouse-ca1 accuracy", "mouse-ca1 weighted F1"]
    assert row_of(states, "raw counts")["rat-v1"] == "data not at hand"
    assert "- mihi-2: data not at hand (no file; set MYOW\\_DATA)\n" in text
    assert "- rat-v1: data not at hand\n" in text


def test_a_sentence_compares_myow_with_byol():
    text = bench_tables.markdown(CELLS)
    sentence = "MYOW against BYOL: chewie-1 +0.020 [+0.010, +0.040], adjusted p 0.200, no difference shown."
    assert text.count(sentence) == 1
    assert text.count("MYOW against BYOL:") == 1  # the states have no BYOL row


def test_another_sentence_compares_myow_without_mining():
    against = {"raw": compared(0.1), "byol": compared(0.02, p=0.2), "unmined": compared(0.03)}
    ours = [cell(against=against), cell(method="byol"), cell(method="unmined")]
    text = bench_tables.markdown(ours)
    assert "\nMYOW against BYOL: chewie-1 +0.020 [" in text
    assert "\nMYOW against MYOW, mining off: chewie-1 +0.030 [+0.020, +0.050], adjusted p 0.001, better.\n" in text
    assert "- MYOW against BYOL and against MYOW, mining off are among those comparisons.\n" in text
    assert "MYOW against MYOW, mining off: chewie-1 +0.030" in bench_tables.latex(ours)
    (line, *_) = csv.DictReader(io.StringIO(bench_tables.csv_text(ours)))
    assert (line["unmined_difference"], line["unmined_verdict"]) == ("0.03", "better")


def test_a_released_split_is_not_tested_and_says_so_once_a_table():
    text = bench_tables.markdown(
        [cell(track=RELEASED), cell(method="byol", track=RELEASED), cell(method="raw", track=RELEASED)]
    )
    assert text.count("Against raw counts: not tested: one split.") == 1
    assert "MYOW against BYOL: not tested: one split." in text
    assert row_of(tables(text)["Angle readout, all training labels"], "MYOW")["chewie-1"] == (
        "0.700 [0.680, 0.730]<br>(poster 0.705)"
    )


def test_units_of_labels_are_named_where_they_differ():
    text = bench_tables.markdown(many(("chewie-1", "mouse-ca1"), ("raw",), labels=("5",)))
    assert "### Class readout, 5 labelled segments (chewie-1) or minutes (mouse-ca1) per class\n" in text
    assert "1 labelled segment per class" in bench_tables.markdown(many(("chewie-1",), ("raw",), labels=("1",)))


@pytest.mark.parametrize(
    ("low", "verdict"),
    [
        (0.1, "at chance"),
        (0.125, "at chance"),
        (0.13, "ABOVE CHANCE: look for a leak"),
        (None, "no interval to judge by"),
    ],
)
def test_controls_are_held_against_chance(low, verdict):
    control = {"control": "permuted", "readout": "class", "low": low}
    cells = [cell(metric=m, mean=0.14, **control) for m in ("accuracy", "balanced_accuracy", "weighted_f1")]
    table = tables(bench_tables.markdown(cells))[CV.describe().capitalize()]
    assert len(table) == 2
    row = dict(zip(*table, strict=True))
    assert row["verdict"] == verdict
    assert row["chance"] == "0.125"
    assert row["measure"] == "balanced accuracy"


def test_a_control_without_classes_is_held_against_the_majority_or_zero():
    text = bench_tables.markdown([
        cell(control="shifted", mean=0.3, low=0.2, majority=0.15),
        cell(control="shifted", readout="continuous", metric="r2", mean=-0.1, low=-0.2, majority=None),
    ])  # fmt: skip
    _, angle, continuous = tables(text)[CV.describe().capitalize()]
    assert angle[-2:] == ["0.150", "ABOVE CHANCE: look for a leak"]
    assert continuous[-2:] == ["0.000", "at chance"]


def test_controls_never_stand_in_a_table_of_results():
    text = bench_tables.markdown([cell(control="permuted", mean=0.123456)])
    assert "Angle readout" not in text


FAILED = {
    "dataset": "my_data", "method": "myow", "context": [2, 1], "rows": "train", "fold": 3, "seed": 1,
    "error": "loss is nan | at\nstep 3; expected <number>",
}  # fmt: skip


def test_failed_fits_are_listed_and_cannot_break_the_table():
    table = tables(bench_tables.markdown([], failures=[FAILED]))["Failed fits"]
    assert table[1] == [
        r"my\_data", "myow", "2 to 1", "train", "3", "1", "loss is nan &#124; at step 3; expected &lt;number>"
    ]  # fmt: skip
    assert "No fit failed." in bench_tables.markdown([])
    assert "No control was run." in bench_tables.markdown([])


def test_the_head_says_what_was_run():
    about = {"minutes": 83.25, "command": "myow bench | tee a_b", "fits": 12, "note": "x"}
    lines = bench_tables.markdown([], about=about).splitlines()
    assert lines[2:6] == ["- command: `myow bench | tee a_b`", "- fits: 12", "- minutes: 83.2", "- note: x"]


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=60))
def test_names_from_anywhere_keep_the_tables_whole(dataset, method, error):
    cells = [cell(dataset, method), cell("b", "raw"), cell(dataset, "raw", control="shifted")]
    text = bench_tables.markdown(cells, failures=[FAILED | {"error": error}], missing={"gone": error})
    widths = []
    for line in text.splitlines():
        if line.startswith("|"):
            widths.append(line.count("|"))
        elif widths:
            assert len(set(widths)) == 1
            widths = []
    assert text.count("\n## ") == 4  # how to read, one track, controls, failed fits


# CSV.


def test_csv_holds_every_cell_with_all_its_figures():
    control = cell(control="permuted")
    lines = list(csv.DictReader(io.StringIO(bench_tables.csv_text([*CELLS, control]))))
    assert len(lines) == len(CELLS) + 1
    first, byol = lines[0], lines[1]
    assert (first["protocol"], first["before"], first["rows"], first["name"]) == ("cv", "0", "train", "MYOW")
    assert float(first["mean"]) == CELLS[0].mean
    assert float(first["high"]) == CELLS[0].high
    assert float(first["raw_difference"]) == 0.1
    assert float(first["byol_p_adjusted"]) == 0.2
    assert first["byol_verdict"] == "no difference shown"
    assert first["poster"] == "0.7054"
    assert byol["byol_difference"] == ""
    assert byol["raw_verdict"] == "worse"
    assert lines[-1]["control"] == "permuted"
    assert lines[-1]["poster"] == ""


@given(st.text(st.characters(exclude_categories=("C",)), min_size=1, max_size=20))
def test_csv_gives_any_name_back(name):
    read = list(csv.DictReader(io.StringIO(bench_tables.csv_text([cell(dataset=name)]), newline="")))
    assert read[0]["dataset"] == name


# LaTeX.


def check_latex(text):
    balance = 0
    for token in re.findall(r"\\.|[{}]", text):
        balance += {"{": 1, "}": -1}.get(token, 0)
        assert balance >= 0
    assert balance == 0
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == text.count(r"\toprule")
    for tabular in re.findall(r"\\begin\{tabular\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        rows = [line for line in tabular.splitlines() if line.endswith(r" \\")]
        width = len(re.search(r"l(l*)@", tabular)[1])
        assert not [row for row in rows if row.startswith(("[", "*"))]  # TeX would take it for the last row's option
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {width}
    assert text.startswith(HEAD)
    assert not re.search("[_#%]", re.sub(r"\\[%&_#${}]", "", text.removeprefix(HEAD)))


def test_latex_is_well_formed_and_says_the_same():
    text = bench_tables.latex(CELLS, datasets=["mihi_3"], missing={"mihi_3": "gone"})
    check_latex(text)
    assert text.count(r"\begin{tabular}") == 4
    assert r"mihi\_3" in text
    gone = r"{\scriptsize data not at hand}"
    assert rf"MYOW & {gone} & 0.700$^{{+}}$ {{\scriptsize {{[}}0.680, 0.730]}} & -- \\" in text
    assert rf"BYOL & {gone} & 0.680$^{{-}}$ {{\scriptsize {{[}}0.660, 0.710]}} & -- \\" in text
    assert rf"LDA $\dagger$ & {gone} & 0.600 {{\scriptsize {{[}}0.580, 0.630]}} & -- \\" in text
    assert r" &  & {\scriptsize 20 of 25 fits} &  \\" in text
    assert r" &  & {\scriptsize (poster 0.705)} &  \\" in text
    assert "MYOW against BYOL: chewie-1 +0.020" in text


def test_latex_says_how_to_read_it_once_beneath_the_first_table():
    text = bench_tables.latex([*CELLS, cell(method="rp")])
    first = text[: text.index(r"\end{minipage}")]
    for said in (HOLM, "are not adjusted", r"95 \% interval", "among those comparisons", "Not tested: "):
        assert text.count(said) == first.count(said) == 1
    assert first.index("How to read:") > first.index(r"\end{tabular}")
    assert r" & {\scriptsize not tested} &  \\" in first
    assert text.count("mean of 25 fits") == text.count(r"\captionof{table}") == 4


def test_latex_holds_the_controls_with_chance_and_marks_those_above():
    control = {"readout": "class", "metric": "balanced_accuracy"}
    cells = [
        cell("rat-v1", "myow", 0.3, control="shifted", n_classes=4, n=10, **control),
        cell("chewie-1", "myow", 0.2, control="shifted", **control),
        cell("chewie-1", "raw", 0.1, control="shifted", n=20, **control),
        cell("chewie-1", "raw", 0.1, control="permuted", low=None, high=None, **control),
    ]
    text = bench_tables.latex([*CELLS, *cells], datasets=["rat-v1", "chewie-1"])
    check_latex(text)
    permuted, shifted = text.split(r"\captionof{table}")[-2:]
    assert "{Labels permuted: class readout, all training labels; single bins" in permuted
    assert "Labels shifted: " in shifted
    assert "Balanced accuracy, mean of 10 (rat-v1) or 25 (chewie-1) fits." in shifted
    assert "method & rat-v1 & chewie-1 \\\\\n" in shifted
    assert (
        r"MYOW & 0.300$^{!}$ {\scriptsize {[}0.280, 0.330]} & 0.200$^{!}$ {\scriptsize {[}0.180, 0.230]} \\" in shifted
    )
    assert r"raw counts & -- & 0.100 {\scriptsize {[}0.080, 0.130]} \\" in shifted
    assert r" &  & {\scriptsize 20 of 25 fits} \\" in shifted
    assert r"chance & 0.250 & 0.125 \\" in shifted
    assert r"{\scriptsize no interval}" in permuted
    assert text.count("has seen what it should not") == permuted.count("has seen what it should not") == 1


@given(st.text(st.characters(exclude_categories=("C", "Z")), max_size=20), st.text(max_size=20))
def test_latex_stands_any_name(dataset, method):
    check_latex(bench_tables.latex([cell(dataset, method), cell("b_%", "raw", 0.5)]))


def test_latex_writes_real_minus_signs():
    text = bench_tables.latex([cell(readout="continuous", metric="r2", mean=-0.25)])
    assert r"MYOW & $-$0.250 {\scriptsize {[}$-$0.270, $-$0.220]} \\" in text


# Figures.

CLASSES = [f"{i}" for i in range(8)]
COUNTS = np.random.default_rng(1).poisson(2, (8, 8)) + 20 * np.eye(8)
RNG = np.random.default_rng(2)
POINTS = {m: (RNG.normal(size=(90, 2)), np.arange(90) % 8) for m in METHOD_NAMES}
LONG = "a recording with an uncommonly long name.nwb"

DRAWN = {
    "dots": lambda: bench_figures.draw_dots(many(), CV, "class", "all"),
    "dots of one": lambda: bench_figures.draw_dots(many(("chewie-1",), ("myow", "raw")), CV, "class", "5"),
    "dots of two": lambda: bench_figures.draw_dots(many((LONG, "mihi-1")), CV, "class", "1"),
    "dots of a newcomer": lambda: bench_figures.draw_dots([cell(LONG, "a-method-with-a-long-name")], CV, "angle", "all"),
    "dots of R2": lambda: bench_figures.draw_dots(
        [cell(readout="continuous", metric="r2", mean=m) for m in (-0.3, 0.5)], CV, "continuous", "all"
    ),
    "curves": lambda: decoding.draw_label_curves(many(labels=("1", "2", "5", "10", "all")), CV, "class"),
    "unlabelled": lambda: bench_figures.draw_unlabelled(semi(), CV, "class-semi"),
    "unlabelled, of two": lambda: bench_figures.draw_unlabelled(semi((LONG, "mihi-1")), CV, "class-semi"),
    "curves of one": lambda: decoding.draw_label_curves(many(("mouse-ca1",), labels=("1", "all")), CV, "class"),
    "curves, one number": lambda: decoding.draw_label_curves([cell(LONG, "raw", low=None, high=None)], CV, "angle"),
    "confusions": lambda: decoding.draw_confusions(
        dict.fromkeys(METHOD_NAMES, (CLASSES, COUNTS)), "chewie-1", target="direction", circumstances="single bins"
    ),
    "confusions of one": lambda: decoding.draw_confusions({"myow": (["Wake", "nREM"], [[3, 1], [0, 0]])}, LONG),
    "confusions of many classes": lambda: decoding.draw_confusions({"a": (range(30), np.eye(30)), "b": (range(9), np.eye(9))}, "x"),
    "confusions of long names": lambda: decoding.draw_confusions(
        {m: ([f"state number {i}" for i in range(5)], np.eye(5)) for m in ("raw", "myow", "new")}, "x", target="t" * 40
    ),
    "side by side": lambda: embedding.draw_side_by_side(POINTS, period=8.0, dataset="chewie-1", label_name="direction"),
    "side by side, one": lambda: embedding.draw_side_by_side({"myow": POINTS["myow"]}, period=None, dataset=LONG),
    "side by side, speed": lambda: embedding.draw_side_by_side(
        {m: (z, z[:, 0]) for m, (z, _) in list(POINTS.items())[:5]}, period=None, dataset="x", label_name="speed"
    ),
}  # fmt: skip


def marks(axes, marker):
    return [float(found.get_xdata()[0]) for found in axes.lines if found.get_marker() == marker]


def test_dots_are_means_with_intervals_beside_the_poster_raw_and_majority():
    cells = [cell(method=m, mean=v) for m, v in {"myow": 0.7, "lda": 0.6, "raw": 0.5}.items()]
    figure = bench_figures.draw_dots(
        [*cells, cell(method="byol", control="permuted"), cell(track=WINDOWS)], CV, "angle", "all"
    )
    (axes,) = figure.axes
    assert axes.get_title(loc="left") == "chewie-1"
    assert [t.get_text() for t in axes.get_yticklabels()] == ["MYOW", "LDA", "raw counts"]
    assert sorted(marks(axes, "o")) == [0.7, 0.7054]  # ours is filled, the poster's hollow
    assert [f.get_xdata()[0] for f in axes.lines if f.get_markerfacecolor() == "none"] == [0.7054]
    assert marks(axes, "D") == [0.6]
    assert marks(axes, "s") == [0.5]
    upright = {float(f.get_xdata()[0]): f.get_linestyle() for f in axes.lines if list(f.get_ydata()) == [0, 1]}
    assert upright == {0.14: "--", 0.5: "-"}
    intervals = [list(f.get_xdata()) for f in axes.lines if len(set(f.get_xdata())) == 2]
    assert np.allclose(intervals, [[0.68, 0.73], [0.58, 0.63], [0.48, 0.53]])


def test_all_panels_of_dots_share_their_axis():
    axes = bench_figures.draw_dots(many(), CV, "class", "all").axes
    assert len(axes) == 6
    assert len({a.get_xlim() for a in axes}) == 1
    assert len({a.get_ylim() for a in axes}) == 1
    assert [a.get_title(loc="left") for a in axes] == list(PUBLISHED)


def test_curves_hold_the_means_in_the_order_of_the_labels_and_two_bands():
    cells = [
        cell(method=m, labels=n, mean=v, label_unit=None if n == "all" else "segment")
        for m in ("myow", "raw", "rp")
        for n, v in {"all": 0.8, "10": 0.7, "2": 0.5}.items()
    ]
    (axes,) = decoding.draw_label_curves([*cells, cell(track=WINDOWS)], CV, "angle").axes
    assert [t.get_text() for t in axes.get_xticklabels()] == ["2", "10", "all"]
    assert all(list(f.get_ydata()) == [0.5, 0.7, 0.8] for f in axes.lines)
    assert len(axes.lines) == 3
    assert len(axes.collections) == 2
    thick = max(axes.lines, key=lambda f: f.get_linewidth())
    assert thick.get_color() == style.ACCENT
    assert axes.get_xlabel() == "labelled trials per direction"


def test_curves_name_the_unit_of_each_panel():
    cells = [*many(("chewie-1", "mouse-ca1"), ("raw",)), cell("chewie-1", "raw")]
    directions, states = decoding.draw_label_curves(cells, CV, "class").axes
    assert directions.get_xlabel() == "labelled trials per direction"
    assert states.get_xlabel() == "labelled minutes per state"
    (axes,) = decoding.draw_label_curves(many(("mine",), ("raw",)), CV, "class").axes
    assert axes.get_xlabel() == "labelled segments per class"


def test_five_curves_at_most_are_in_colour_each_its_own_and_the_rest_grey():
    figure = DRAWN["curves"]()
    looks = [(f.get_color(), f.get_linestyle(), f.get_linewidth()) for f in figure.axes[0].lines]
    assert len(looks) == len(METHOD_NAMES)
    coloured = [look for look in looks if look[0] != decoding.GREY]
    assert len(set(coloured)) == len(coloured) == 5
    assert {style.ACCENT, style.INK} <= {colour for colour, *_ in coloured}
    assert {t.get_text() for legend in figure.legends for t in legend.get_texts()} == set(METHOD_NAMES.values())


def test_confusions_show_shares_of_the_true_class():
    figure = decoding.draw_confusions(
        {"raw": (["a", "b"], [[3, 1], [0, 0]]), "myow": (["a", "b"], [[2, 2], [1, 3]])}, "toy"
    )
    first, second, _ = figure.axes
    assert first.texts[0].get_text() == "MYOW"
    assert first.texts[1].get_text() == "accuracy 0.62"
    assert np.allclose(first.images[0].get_array(), [[0.5, 0.5], [0.25, 0.75]])
    assert np.allclose(second.images[0].get_array(), [[0.75, 0.25], [0, 0]])


def test_a_colour_means_the_same_in_every_panel():
    points = {"myow": ([[0.0, 0], [1, 1]], ["b", "a"]), "raw": ([[0.0, 0]], ["b"])}
    first, second = embedding.draw_side_by_side(points, period=None, dataset="toy").axes[:2]
    colours = {
        tuple(o): tuple(c)
        for o, c in zip(first.collections[0].get_offsets(), first.collections[0].get_facecolors(), strict=True)
    }
    assert colours[0.0, 0.0] == tuple(second.collections[0].get_facecolors()[0])
    assert colours[0.0, 0.0] != colours[1.0, 1.0]


# All figures of a folder.


def bench_row(method="myow", fold=0, dataset="toy", counts=((3, 1), (0, 4)), classes=(0, 1), labels="all", **more):
    score = {
        "readout": "class", "labels": labels, "label_unit": None if labels == "all" else "segment", "control": None,
        "accuracy": 0.8, "delta_accuracy": None, "balanced_accuracy": 0.7, "weighted_f1": 0.75, "r2": None,
        "interval": [0.7, 0.9], "n_train": 10, "n_test": 8, "per_draw": None, "majority": 0.5, "n_classes": 2,
        "confusion": None if counts is None else {"classes": list(classes), "counts": [list(c) for c in counts]},
    }  # fmt: skip
    about = {
        "key": f"{dataset} {method} {fold} {labels}", "dataset": dataset, "checksum": "c", "method": method, "settings": {},
        "uses_labels": False, "protocol": "cv", "fold": fold, "folds": 2, "seed": 0, "context": [0, 0], "rows": "train",
        "target": "state", "period": None, "n_train": 10, "n_valid": 2, "n_test": 8, "version": "0", "torch": "2",
        "machine": "m", "seconds": 1.0, "readout_seconds": 1.0, "peak_memory_mb": 1.0, "error": None, "scores": [score],
    }  # fmt: skip
    return about | more


def keep_embedding(folder, name, label=(0, 1, 1), period=np.nan, z=((0.0, 0), (1, 1), (2, 0))):
    (folder / "embeddings").mkdir(exist_ok=True)
    np.savez(folder / "embeddings" / f"{name}.npz", z=np.array(z), label=np.array(label), period=period)


ROWS = [
    bench_row(m, f, labels=n, counts=((3, 1), (0, 4)) if n == "all" else None)
    for m in ("myow", "raw")
    for f in range(2)
    for n in ("5", "all")
]


def test_a_folder_gets_every_figure_that_its_rows_allow(tmp_path):
    keep_embedding(tmp_path, "toy__myow__0-0__train")
    keep_embedding(tmp_path, "toy__raw__0-0__train")
    keep_embedding(tmp_path, "my__toy__raw__2-1__all", label=[0.1, 2.0, 6.0], period=2 * np.pi)
    keep_embedding(tmp_path, ".cut-off")
    paths = draw_bench(tmp_path, ROWS, summarise(ROWS))
    assert sorted(p.relative_to(tmp_path).as_posix() for p in paths) == [
        "figures/confusion_toy_0-0_train.png",
        "figures/dots_0-0_train_class_5.png",
        "figures/dots_0-0_train_class_all.png",
        "figures/embeddings_my__toy_2-1_all.png",
        "figures/embeddings_toy_0-0_train.png",
        "figures/labels_0-0_train_class.png",
    ]
    assert sorted(paths) == sorted((tmp_path / "figures").iterdir())
    assert all(imread(p)[..., :3].std() > 0.01 for p in paths)


def test_several_protocols_get_files_of_their_own(tmp_path):
    rows = [*ROWS, *(r | {"key": r["key"] + "r", "protocol": "released"} for r in ROWS[:2])]
    names = {p.name for p in draw_bench(tmp_path, rows, summarise(rows))}
    assert {"dots_cv_0-0_train_class_all.png", "dots_released_0-0_train_class_all.png"} <= names
    assert {"confusion_toy_cv_0-0_train.png", "confusion_toy_released_0-0_train.png"} <= names


def test_confusions_are_summed_over_fits_by_the_names_of_the_classes(tmp_path, monkeypatch):
    seen = {}
    draw = decoding.draw_confusions
    monkeypatch.setattr(decoding, "draw_confusions", lambda m, d, **k: seen.update({d: m}) or draw(m, d, **k))
    rows = [
        bench_row(fold=0, counts=((9, 9), (9, 9))),
        bench_row(fold=0, counts=((3, 1), (0, 4))),  # the same key: this one counts
        bench_row(fold=1, classes=(0, 2), counts=((5, 2), (1, 6))),
        bench_row(fold=2) | {"error": "it failed", "scores": []},
    ]
    draw_bench(tmp_path, rows, [])
    classes, counts = seen["toy"]["myow"]
    assert classes == [0, 1, 2]
    assert counts.tolist() == [[8, 1, 2], [0, 4, 0], [1, 0, 6]]


def test_names_from_files_stay_inside_the_folder(tmp_path):
    folder = tmp_path / "bench"
    folder.mkdir()
    rows = [bench_row(dataset=name) for name in ("../../up", "/root/x", "..", "a b:c", "..//..//up")]
    paths = draw_bench(folder, rows, summarise(rows))
    assert len(paths) == len(set(paths)) == 6
    assert all(p.resolve().parent == (folder / "figures").resolve() for p in paths)
    assert [p.name for p in tmp_path.iterdir()] == ["bench"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b"not a zip"), "cannot read"),
        (lambda path: np.savez(path, z=np.zeros((2, 2))), "must hold z, label and period"),
        (lambda path: np.savez(path, z=np.zeros((2, 2)), label=np.array([{}, {}]), period=1.0), "cannot read"),
    ],
)
def test_a_damaged_file_of_embeddings_is_an_error_and_runs_no_code(make, words, tmp_path):
    (tmp_path / "embeddings").mkdir()
    make(tmp_path / "embeddings" / "toy__myow__0-0__train.npz")
    with pytest.raises(FileError, match=words):
        draw_bench(tmp_path, [], [])


def test_a_strange_name_among_the_embeddings_is_an_error(tmp_path):
    keep_embedding(tmp_path, "toy")
    with pytest.raises(FileError, match="expected dataset__method__before-after__rows"):
        draw_bench(tmp_path, [], [])


def test_an_empty_bench_has_no_figures(tmp_path: Path):
    assert draw_bench(tmp_path, [], []) == []


def test_unlabelled_segments_are_drawn_beside_labelled_ones_alone():
    cells = semi()
    (axes,) = [a for a in bench_figures.draw_unlabelled(cells, CV, "class-semi").axes if a.axison]
    drawn = [line.get_ydata().tolist() for line in axes.lines]
    for method, place in (("myow", 0), ("raw", 2), ("pca", 4)):
        own = {(c.readout, c.labels): c.mean for c in cells if c.method == method}
        assert drawn[place] == [own["class-semi", "1"], own["class-semi", "5"], own["class", "all"]]
        assert drawn[place + 1] == [own["class", n] for n in ("1", "5", "all")]
    assert len(drawn) == 6  # what learns from labels itself is not drawn
    assert [t.get_text() for t in axes.get_xticklabels()] == ["1", "5", "all"]
    for readout in ("class", "class-auto-semi"):
        with pytest.raises(DataError, match="--semi-supervised"):
            bench_figures.draw_unlabelled(cells, CV, readout)
    names = [words[0] for words, _ in bench_figures.figures_of(Path("nowhere"), [], cells)]
    assert names.count("unlabelled") == 1
