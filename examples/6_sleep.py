"""
Sleep
=====

A long recording without trials: bins of seconds, states that last minutes, and one segment.
"""

# %%
# Six hours
# ---------
#
# The simulated animal passes between waking, nREM and REM sleep. Bins are 4 s wide. There are no trials, so the recording is one
# segment, and parts are cut by time with a gap: bins beside each other are nearly the same, and a random choice of bins would
# test on neighbours of the training bins.

import numpy as np

import myow

rec = myow.load("simulated-sleep").select(slice(5400))
train, valid, test = rec.split(0.6, 0.15, 0.25, by="time", gap=120)
rec

# %%
# Training
# --------
#
# States last minutes, so neighbours in time are nearly always of one state. Views are mined from at least a minute or so away, by a
# rule that follows from the length of the recording.

model = myow.MYOW(steps=300, random_state=0, verbose=False)
model.fit(train)
z = model.transform(test)
figure = myow.plot.embedding(z, test, color="state")

# %%
# *How to read it.* Points are bins of 4 s, colours the three states (0 awake, 1 nREM, 2 REM). Bins between two clouds are
# often transitions, which people who score sleep disagree on too.
#
# One labelled minute
# -------------------
#
# Where there is one segment, ``labels`` counts minutes a state.

found = myow.evaluate(model, train, valid, test, target="state", labels=1)
print(found.verdict)
figure = myow.plot.confusion(found)

# %%
# *How to read it.* The diagonal is what is right. REM is rare: look at its row, not only at the accuracy, which waking and nREM
# dominate. ``balanced_accuracy`` counts each state equally:

for name, scores in ("embedding", found), ("raw counts", found["raw_common"]):
    balanced = scores["balanced_accuracy"]
    print(f"{name}: {scores['accuracy']:.2f}, balanced {balanced:.2f}")

# %%
# The night as a line
# -------------------

from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression

reader = LogisticRegression(C=10.0, max_iter=1000).fit(
    model.transform(train), train.labels["state"]
)
read = reader.predict(z)
minutes = (test.times - test.times[0]) / 60
figure = Figure(figsize=(8, 2.4), layout="constrained")
axes = figure.subplots()
axes.plot(minutes, read, color="C0", lw=0.8, label="read from the embedding")
axes.plot(
    minutes, test.labels["state"], color="black", lw=1.5, label="true state"
)
axes.set(
    xlabel="minutes",
    yticks=[0, 1, 2],
    yticklabels=["awake", "nREM", "REM"],
    ylim=(-0.3, 2.9),
)
axes.legend(loc="upper right", ncols=2, frameon=False)
print(f"{np.mean(read == test.labels['state']):.2f} of the bins agree")

# %%
# *How to read it.* Black is the true state, blue what is read from each bin by itself. Blue spikes of a single bin are mistakes that
# a wider ``context`` or a filter over time would smooth.
#
# On real sleep the gain is not certain: in bins of a minute, components did better in one recording.
# :doc:`Recordings of other kinds </panel>` says where.
#
# Next: :doc:`live <7_live>`
