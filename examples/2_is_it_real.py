"""
Is it real?
===========

Activity with nothing in it also gives pretty embeddings. Three checks tell them apart: held-out trials, intervals, controls.
"""

# %%
# Two recordings
# --------------
#
# One is a simulated session of reaches. The other has the same units and rates, but its bins are exchanged at random: no
# activity belongs to any direction any more.

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
# *How to read it.* This is the embedding of exchanged bins, trained and shown on the same bins. It has shape, and shape alone
# means nothing. What matters is whether colours lie apart, on bins that were not trained on.
#
# Held-out trials
# ---------------
#
# ``cv=3`` deals the trials into three folds. In each fold the model learns anew from two thirds of the trials, and the last third
# tests. No test bin is ever trained on, not even without its label.

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
# A difference of a few points may come from the choice of test trials. The verdict looks at the difference to each baseline,
# fold by fold, and gives the range in which it lies with 95 % confidence. *No difference shown* is not the same as *equal*: three
# folds can only show large differences.

found

# %%
# Controls
# --------
#
# Controls do the same with labels that do not belong to the activity. ``exchanged`` deals the labels anew to trials; ``shifted``
# moves them along the session. A pipeline that leaks lets even these be read.

figure = myow.plot.decoding(found)

# %%
# *How to read it.* The rows of controls must lie at the rate of the commonest class. If they do not, something other than the
# activity gives the label away: slow drift with blocks of one condition, or test trials among the training trials.
#
# Does it come out again?
# -----------------------
#
# Two trainings from different seeds should agree. `consistency` predicts one embedding from the other with a linear map, on
# trials that the map was not fitted on.

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
# row. 1 means equal up to a linear map. Near 0, a picture of either says little.
#
# Next: :doc:`your own spikes and trials <3_your_own_spikes>`
