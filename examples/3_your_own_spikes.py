"""
Your own spikes and trials
==========================

From spike times and a table of trials, as a lab has them, to a recording that can be trained on.
"""

# %%
# What a lab has
# --------------
#
# After spike sorting there are two long arrays, the time of each spike and the unit that fired it, and a table with a row a
# trial. Here both are made up: 40 units, each firing most for one of four directions.

import numpy as np
import pandas as pd

import myow

rng = np.random.default_rng(0)
starts = np.arange(80) * 1.5
trials = pd.DataFrame(
    {
        "start": starts,
        "stop": starts + 0.8,
        "direction": rng.permutation(np.repeat(range(4), 20)),
    }
)

preferred = rng.uniform(0, 2 * np.pi, 40)
times, units = [], []
for trial in trials.itertuples():
    angle = trial.direction * np.pi / 2
    rates = 1.5 * np.exp(np.cos(angle - preferred))  # Hz
    for unit, rate in enumerate(rates):
        spikes = rng.uniform(trial.start, trial.stop, rng.poisson(rate * 0.8))
        times.extend(spikes)
        units.extend([unit] * len(spikes))
spike_times, spike_units = np.array(times), np.array(units)
trials.head(3)

# %%
# A recording
# -----------
#
# Each trial becomes a segment, each further column a label. Times are in seconds. Bins that do not fit whole into a trial, and
# spikes between trials, are left out and counted.

rec = myow.Recording.from_spikes(
    (spike_times, spike_units), trials, bin_size=0.1, name="day-1"
)
print(rec.source)
rec

# %%
# ``myow.read`` does the same for files: NWB, MATLAB, HDF5, tables, folders of Kilosort, phy and suite2p, and objects of
# pynapple and Neo. :doc:`The page on formats </formats>` has an example of each. ``myow.inspect(file)`` says beforehand what would be used.
#
# Which bin, which window?
# ------------------------
#
# `suggest` looks at the activity and names settings to begin with, and why.

print(myow.suggest(rec))

# %%
# Look at the counts before anything is learnt. Silent bins, a unit that dies halfway and trials of odd length are seen here, and
# nowhere later.

from matplotlib.figure import Figure

figure = Figure(figsize=(8, 3), layout="constrained")
axes = figure.subplots()
shown = axes.imshow(
    rec.counts[:160].T, aspect="auto", cmap="Greys", interpolation="none"
)
axes.set(
    xlabel="bin of 0.1 s", ylabel="unit", title="Spikes in the first 20 trials"
)
figure.colorbar(shown, label="spikes")

# %%
# *How to read it.* Each row is a unit, each column a bin; darker means more spikes. Vertical bands of eight bins are trials. A unit
# whose row changes from band to band tells trials apart. A white row is a silent unit, a white column a gap.
#
# Train and evaluate
# ------------------

train, valid, test = rec.split(
    0.6, 0.15, 0.25, stratify="direction", random_state=0
)
model = myow.MYOW(context=(2, 2), steps=150, random_state=0, verbose=False)
model.fit(train)
found = myow.evaluate(
    model, train, valid, test, target="direction", readout="class", labels=1
)
print(found.verdict)
figure = myow.plot.confusion(found)

# %%
# *How to read it.* Rows are true directions, columns what was read, and the diagonal is what is right. Mistakes beside the
# diagonal are between neighbouring directions.
#
# Which units carry it?
# ---------------------

carried = myow.importance(model, test, "direction", readout="class")
figure = carried.plot()

# %%
# *How to read it.* A unit's bar is what the readout loses if this unit's activity is exchanged between trials. Where several
# units say the same, none of them is missed much: a short bar does not mean that a unit is untuned.
#
# Next: :doc:`few labels and one labelled trial <4_few_labels>`
