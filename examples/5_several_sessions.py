"""
Several sessions
================

Two days have different units. A read-in for each, and one encoder for both, put them into one space.
"""

# %%
# Two days and a third
# --------------------
#
# A **read-in** is a linear map from a session's own units to a width that all sessions share. The **encoder** behind it, the network
# that makes the embedding, is the same for all.

from dataclasses import replace

import myow

monday, tuesday, later = (
    replace(
        myow.load("simulated-reach", seed=seed, n_units=units, n_trials=64),
        name=name,
    )
    for seed, units, name in (
        (0, 174, "monday"),
        (1, 150, "tuesday"),
        (2, 187, "later"),
    )
)
model = myow.MYOW(context=(2, 2), steps=200, random_state=0, verbose=False)
model.fit([monday, tuesday])
print(list(model.sessions_))

# %%
# ``fit`` takes a list of recordings, each of shape (bins, units of that day). ``sessions_`` has their names. ``transform`` recognises
# the session of a recording that was trained on.

z = model.transform(tuesday)
figure = myow.plot.embedding(z, tuesday, color="direction")

# %%
# *How to read it.* As in the first tutorial: colours that lie apart on the left, and less so beside it, say that the embedding has
# sorted tuesday's activity by direction.
#
# A session that comes later
# --------------------------
#
# ``adapt`` learns a read-in for a new session without labels. Nothing else changes, so that a readout of the other days stays as it
# is. Given the earlier days, it begins where the new day's trials lie on those of the day that is most like it.
# ``of_session("later")`` is the model of that session alone. A warning says that some directions have only two test trials in so
# short a session, so that the numbers are rough.

train, valid, test = later.split(
    0.5, 0.2, 0.3, random_state=0, stratify="direction"
)
model.adapt(train, with_=[monday, tuesday], steps=100)
found = myow.evaluate(
    model.of_session("later"),
    train,
    valid,
    test,
    target="direction",
    readout="class",
    labels=2,
)
print(found.verdict)
figure = myow.plot.decoding(found)

# %%
# *How to read it.* Marks are shares of test bins of the new day, read from two labelled trials a direction. The embedding is that of
# the adapted model; all other rows know the new day alone. The read-in has learnt from the training trials of the new day, so that the
# test trials are new to it.
#
# Do the days agree?
# ------------------
#
# Bins of two days do not pair up, so averages over trials of each direction are compared, by `consistency` as in the second tutorial.

days = {
    name: myow.embed(model, day, session=name)
    for name, day in (("monday", monday), ("tuesday", tuesday))
}
agreement = myow.consistency(*days.values(), names=list(days), by="direction")
figure = agreement.plot()

# %%
# *How to read it.* Each square is how well one day's averages are predicted linearly from the other's. Near 1, the days share a space
# up to a linear map.
#
# What it cannot do
# -----------------
#
# Without labels of the new day, eight directions that differ in nothing else, as these simulated ones, look alike after a turn: which is
# which cannot be seen from activity. A monkey's directions differ, and are found again on another day, but not in another animal.
# A few labels of the new day settle it. :doc:`The page on sessions </sessions>` has the measurements.
#
# Next: :doc:`sleep <6_sleep>`
