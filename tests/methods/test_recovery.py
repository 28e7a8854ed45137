"""The point of it all: with few labels, the known latent state is read better from the embedding than from counts."""

import pytest

import myow


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_true_latent_is_recovered_better_than_from_raw_counts(seed):
    rec = myow.load("simulated-reach", seed=seed)
    parts = rec.split(0.8, 0.1, 0.1, random_state=seed, stratify="direction")
    model = myow.MYOW(random_state=seed, steps=300).fit(parts[0])
    with_lengths = myow.MYOW(random_state=seed, steps=300, unit_norm=False).fit(parts[0])  # they tell the latent's
    latent = myow.evaluate(with_lengths, *parts, target="latent", readout="continuous", labels=5)
    assert latent["r2"] > latent["raw"]["r2"]
    direction = myow.evaluate(model, *parts, target="direction", readout="class", labels=1)
    assert direction["accuracy"] > direction["raw"]["accuracy"] + 0.05
    assert (
        direction["accuracy"] > direction["untrained"]["accuracy"] + 0.05
    )  # a residual encoder begins with components
