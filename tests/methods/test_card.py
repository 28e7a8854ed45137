"""A model's card: what a reader must know, figures as they were measured."""

import pytest
from test_model_file import shake
from tiny import SMALL, SMALL_MINING, sleep

import myow
from myow import BYOL, MYOW
from myow.methods.card import methods_paragraph


def test_a_card_says_what_a_reader_must_know(tmp_path):
    rec = sleep(60)
    source = {"citation": "Someone et al., Journal 1:1 (1999)", "licence": "CC0", "file": "a|b.npz"}
    rec = myow.Recording(rec.counts, bin_size=4.0, labels=dict(rec.labels), name="night", source=source)
    model = MYOW(**SMALL, **SMALL_MINING).fit(rec)
    train, valid, test = rec.split(0.6, 0.2, 0.2, by="time")
    found = myow.evaluate(model, train, valid, test, target="state", readout="class", draws=1)
    card = model.card(evaluations=[found])
    line = next(line for line in card.splitlines() if line.startswith("| state "))
    for value in (found["accuracy"], found["raw"]["accuracy"], found["untrained"]["accuracy"], found["majority"]):
        assert f"{value:.3f}" in line
    for text in (
        "# MYOW of night",
        "| night | counts | 8 units | 4 s | 60 | 1 |",
        rec.digest(),
        "Azabou M",
        "Data: Someone et al., Journal 1:1 (1999).",
        "Licence of night: CC0.",
        "a/b.npz",
        "transductive",
        "these units alone, in this order",
        "Not for diagnosis",
        "| `steps` | 12 | set |",
        "| `augment` | none |  |",
    ):
        assert text in card, text
    assert "`device`" not in card
    assert "Nothing was read out of it yet" in model.card()
    labelled = myow.LDA(device="cpu").fit(rec, rec.labels["state"])
    assert "It learnt from labels." in labelled.card()
    own = BYOL(**SMALL, augment=shake).fit(rec)
    assert 'load_model("model.myow", augment=...)' in own.card()
    with pytest.raises(Exception, match="not fitted"):
        BYOL().card()


def test_the_paragraph_names_the_better_scaling_also_below_zero():
    model = BYOL(**SMALL).fit(sleep(60))
    scores = {"raw": -0.16, "raw_common": -0.22, "pca": -0.3, "pca_common": 0.05}
    found = {name: {"r2": value} for name, value in scores.items()}
    found |= {"target": "speed", "readout": "continuous", "labels": None, "r2": -0.1, "interval": None, "n_test": 20}
    said = methods_paragraph(model, {"recording": "A night."}, [found])
    assert "R² was -0.100; of raw counts -0.160 and of principal components 0.050, each at the better of two" in said
