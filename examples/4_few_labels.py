"""
Few labels and one labelled trial
=================================

Learning without labels pays where labels are few. How few? A label curve says.
"""

# %%
# The question
# ------------
#
# All of the session's activity is recorded, and only some trials are labelled. What is learnt from the activity of all trials
# can then be named by few.

import myow

rec = myow.load("simulated-reach")
train, valid, test = rec.split(
    0.5, 0.1, 0.4, random_state=0, stratify="direction"
)
model = myow.MYOW(context=(2, 2), steps=400, random_state=0, verbose=False)
model.fit(train)

# %%
# The label curve
# ---------------
#
# ``labels=k`` labels k trials of each direction, drawn anew in each of five draws. The readout sees those and no others.
# ``labels=None`` labels all.

curve = [
    myow.evaluate(
        model,
        train,
        valid,
        test,
        target="direction",
        readout="class",
        labels=k,
        draws=5,
    )
    for k in (1, 2, None)
]
figure = myow.plot.label_curve(curve)

# %%
# *How to read it.* To the left labels are few, to the right all trials are labelled. The height of a line is the share of test
# bins that are read correctly. The gap between the embedding and raw counts is what learning without labels adds. It is wider on
# the left than on the right. On most recordings it closes to the right: with all labels, raw counts are about as good, and simpler.

for found in curve:
    number = "all" if found["labels"] is None else found["labels"]
    print(f"{number} a direction: {found.verdict}")

# %%
# One labelled trial
# ------------------
#
# With one labelled trial a direction much hangs on which. ``per_draw`` has the accuracy of each draw. Report their mean and spread,
# never the best.

one = curve[0]
print(
    "accuracy by draw:",
    [round(value, 2) for value in one["per_draw"]],
    "spread",
    round(one["spread"], 3),
)
figure = myow.plot.confusion(one)

# %%
# *How to read it.* Counts are summed over draws. Mistakes between neighbouring directions are mild; a column that takes many
# from everywhere comes from an odd labelled trial.
#
# The trials without a label
# --------------------------
#
# Direction is the same in all bins of a trial, so unlabelled trials say a lot too. ``semi_supervised=True`` groups the training trials,
# names each group by the labelled ones, and fits the readout to all of them. Raw counts and components get the same.

helped = myow.evaluate(
    model, train, valid, test,
    target="direction", readout="class", labels=1, draws=5, semi_supervised=True,
)  # fmt: skip
for name, alone, both in (
    ("embedding", one, helped),
    ("raw counts", one["raw_common"], helped["raw_common"]),
    ("components", one["pca_common"], helped["pca_common"]),
):
    print(
        f"{name}: {alone['accuracy']:.2f}, with unlabelled trials {both['accuracy']:.2f}"
    )

# %%
# This may help raw counts and components more than the embedding, which has learnt from the unlabelled trials already.
# :doc:`What the embedding is worth </worth>` has it for three recordings.
#
# In your own code
# ----------------
#
# The embedding is an array, so any decoder of scikit-learn takes it. Here one trial of each direction is labelled.

import numpy as np
from sklearn.linear_model import LogisticRegression

first = [train.segments[train.labels["direction"] == d][0] for d in range(8)]
labelled = np.isin(train.segments, first)
z = model.transform(train)
reader = LogisticRegression(C=10.0, max_iter=1000).fit(
    z[labelled], train.labels["direction"][labelled]
)
print(
    f"{reader.score(model.transform(test), test.labels['direction']):.2f} of the test bins"
)

# %%
# Another session gains more or less. :doc:`The demo on six simulated sessions </demo>` shows how much that varies.
#
# Next: :doc:`several sessions <5_several_sessions>`
