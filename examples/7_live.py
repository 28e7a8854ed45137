"""
Live
====

Embed and decode while an animal moves: one bin in, one embedding out.
"""

# %%
# A model that does not look ahead
# --------------------------------
#
# ``context=(4, 0)`` sees the bin itself and four before it. Nothing of the future is needed, so each bin can be embedded when it ends.

import time

import numpy as np
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression

import myow

rec = myow.load("simulated-reach")
train, test = rec.split(0.8, 0.2, random_state=0)
model = myow.MYOW(context=(4, 0), steps=300, random_state=0, verbose=False)
model.fit(train)
reader = LogisticRegression(C=10.0, max_iter=1000).fit(
    model.transform(train), train.labels["direction"]
)

# %%
# A stream
# --------
#
# ``push`` takes the counts of one bin and returns its embedding; ``reset`` begins a new trial.

stream = model.stream()
sure, took = [], []
trials = np.unique(test.segments)
for trial in trials:
    stream.reset()
    for counts in test.select_segments([trial]).counts:
        began = time.perf_counter()
        z = stream.push(counts)
        took.append(1000 * (time.perf_counter() - began))
        sure.append(reader.predict_proba(z[None])[0])
sure = np.array(sure)
print(f"a push takes {np.median(took):.2f} ms in the median,")
print(f"and a bin lasts {1000 * rec.bin_size:.0f} ms")

# %%
# It is the same embedding as that of all bins at once:

whole = np.concatenate(
    [model.transform(test.select_segments([trial])) for trial in trials]
)
print(np.abs(reader.predict_proba(whole) - sure).max() < 1e-3)

# %%
# One trial as it comes
# ---------------------

first = np.flatnonzero(test.segments == trials[0])
direction = int(test.labels["direction"][first[0]])
figure = Figure(figsize=(8, 3), layout="constrained")
axes = figure.subplots()
for d in range(8):
    line = (
        {"color": "C0", "lw": 2.5}
        if d == direction
        else {"color": "0.7", "lw": 1}
    )
    axes.plot(
        np.arange(1, len(first) + 1) * rec.bin_size,
        sure[: len(first), d],
        **line,
    )
_ = axes.set(
    xlabel="time in the trial in s",
    ylabel="probability",
    ylim=(0, 1),
    title=f"Blue: the true direction, {45 * direction}°",
)

# %%
# *How to read it.* Each line is a direction, and its height how probable the readout holds it after each bin. Blue is the true one.
# It should rise as bins come in. The first bins are the least certain: the window is still filled up with the first bin.
#
# Other programs
# --------------
#
# ``model.export("m.onnx")`` writes the way from counts to embedding for programs that know nothing of Python or of ``myow``.
# :doc:`The page on live use </live>` says what holds at gaps, edges and for timing.
