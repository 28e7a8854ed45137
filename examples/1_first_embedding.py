"""
First embedding
===============

Turn a recording into an embedding, look at it, and read movement out of it.

An **embedding** is a short list of numbers for each time bin that stands in for the counts of all units. Here it is learnt
without labels: the direction of a reach is not looked at before the last step.
"""

# %%
# A recording
# -----------
#
# A `Recording` holds counts of spikes, a row a **bin** (a stretch of 0.1 s here) and a column a **unit** (a sorted neuron or
# channel). Bins belong to **segments**: a segment is a stretch recorded without a gap, such as a trial. Nothing in ``myow``
# ever looks across the edge of a segment. **Labels** are what was measured beside: here the direction of each reach.

import myow

rec = myow.load("simulated-reach")
rec

# %%
# Whole trials are set aside for testing. Bins of one trial resemble each other, so a test on bins of a trial that was trained
# on would only test memory.

train, valid, test = rec.split(0.7, 0.1, 0.2, by="segment", random_state=0)
print(train.n_segments, "trials to train on,", test.n_segments, "to test on")

# %%
# Training
# --------
#
# ``context=(2, 2)`` shows the network two bins before and two after each bin. ``random_state`` makes the result repeatable.
# ``steps`` is short for this page. A warning names units that never fire in the trials that train: they do no harm.

model = myow.MYOW(context=(2, 2), steps=300, random_state=0, verbose=False)
model.fit(train)
z = model.transform(test)
print("a row a bin, a column a dimension:", z.shape)

# %%
# A look
# ------

figure = myow.plot.embedding(z, test, color="direction")

# %%
# *How to read it.* Each point is a bin, each colour a direction. Left is the embedding, beside it the raw counts and their
# principal components, each in the plane in which it is widest. Only distances within a panel mean something; the axes have
# no unit. Colours that lie apart on the left and mixed on the right say that the embedding has sorted the activity by
# direction. Colours that lie apart everywhere say that nothing had to be learnt.
#
# A number
# --------
#
# A picture in two dimensions may mislead, either way. A **readout** is a simple decoder, fitted on the embedding of the training
# bins and tested on the test bins. The same readout of raw counts stands beside it.

found = myow.evaluate(
    model, train, valid, test, target="direction", readout="class", labels=1
)
found

# %%
# ``labels=1`` takes one labelled trial a direction, drawn several times. The rows *one scale* divide all units by one number
# instead of each by its own; the better of the two is the fair one to compare with.

figure = myow.plot.decoding(found)

# %%
# *How to read it.* Each mark is the share of test bins that are read correctly, and each line the 95 % interval over test
# trials. The embedding is worth something if it lies right of raw counts *and* of components. Where intervals overlap, read the
# verdict: it compares in pairs, which is sharper.
#
# Keep it
# -------

model.save("first.myow")
again = myow.load_model("first.myow")
print((again.transform(test) == z).all())

# %%
# Next: :doc:`is it real? <2_is_it_real>`
