"""
Is it real?
===========

Activity with nothing in it also gives pretty embeddings. Four checks tell them apart: held-out trials, intervals, controls, and
a second training.
"""

# %%
# Two recordings
# --------------
#
# One is a simulated session of reaches. The other has the same units and rates, but its bins are exchanged (shuffled) at random:
# no activity belongs to any direction any more.

from dataclasses import replace

import numpy as np

import myow

rec = myow.load("simulated-reach", n_units=80, n_trials=96)
order = np.random.default_rng(0).permutation(len(rec))
empty = replace(rec, counts=rec.counts[order], name="exchanged bins")

settings = {
    "context": (2, 2),
    "steps": 120,
    "random_state": 0,
    "verbose": False,
}
model = myow.MYOW(**settings)
figure = myow.plot.embedding(
    myow.MYOW(**settings).fit(empty).transform(empty), empty, color="direction"
)

# %%
# *How to read it.* Each point is an exchanged bin, each colour the direction that no longer belongs to it. The model was trained on
# these same bins. The embedding has shape, and shape alone means nothing. What matters is whether colours lie apart, on bins that
# were not trained on.
#
# Held-out trials
# ---------------
#
# ``cv=3`` deals the trials into three parts, or **folds**. Each part is the test once, for a model that learns anew from the other
# two. No test bin is ever trained on, not even without its label. ``controls=True`` is explained below.

found = myow.evaluate(
    model, rec, target="direction", readout="class", cv=3, controls=True
)
nothing = myow.evaluate(model, empty, target="direction", readout="class", cv=3)
print(
    f"accuracy {found['accuracy']:.2f}; of exchanged bins {nothing['accuracy']:.2f}; chance is about 0.125"
)

# %%
# Intervals
# ---------
#
# A difference of a few **points** (hundredths of accuracy) may come from the choice of test trials. The verdict looks at the
# difference to each **baseline**, a row to compare with such as raw counts. It goes fold by fold, and gives the range in which the
# difference lies with 95 % confidence. *No difference shown* is not the same as *equal*: three folds can only show large differences.

found

# %%
# Controls
# --------
#
# **Controls** do the same with labels that do not belong to the activity. *Exchanged* deals the labels anew to trials; *shifted*
# moves them along the session. If test trials have leaked into the training, even these can be read.

figure = myow.plot.decoding(found)

# %%
# *How to read it.* Marks and lines are accuracies with intervals, as in the first tutorial. The rows of controls must lie at the
# dashed line, the rate of the commonest class. If they do not, something other than the activity gives the label away: slow drift
# with blocks of one condition, or test trials among the training trials.
#
# Does it come out again?
# -----------------------
#
# A **seed** (``random_state``) decides the random choices of a training. Two trainings from different seeds should agree.
# `consistency` predicts one embedding from the other with a linear map, on trials that the map was not fitted on.

train, test = rec.split(0.7, 0.3, random_state=0)
seeds = [
    myow.MYOW(**{**settings, "random_state": seed}).fit(train)
    for seed in (0, 1)
]
agreement = myow.consistency(
    *(myow.embed(model, test) for model in seeds), names=["seed 0", "seed 1"]
)
figure = agreement.plot()

# %%
# *How to read it.* Each square is the share of variance (R²) of the embedding in the column that is predicted from the one in the
# row. 1 means equal up to a linear map, such as a turn or a stretch. Near 0, a picture of either says little.
#
# Next: :doc:`your own spikes and trials <3_your_own_spikes>`
