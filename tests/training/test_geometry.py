"""Shape of an embedding against formulas written out in NumPy, scipy and scikit-learn, and what cannot be measured."""

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial.distance import pdist
from sklearn.neighbors import NearestNeighbors

from myow.errors import DataError, SettingError
from myow.training.diagnostics import alignment, effective_rank, hubness, neighbours, uniformity


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def itself(n):
    return torch.eye(n, dtype=torch.bool)


def test_alignment_is_the_mean_squared_distance_of_unit_vectors():
    first, second = random(2, 20, 5)
    expected = (np.linalg.norm(unit(first) - unit(second), axis=1) ** 2).mean()
    assert alignment(torch.from_numpy(first), torch.from_numpy(second)) == pytest.approx(expected)
    assert alignment(torch.eye(3), 7 * torch.eye(3)) == 0
    assert alignment(torch.eye(3), -torch.eye(3)) == 4


def test_alignment_of_no_pair_is_refused():
    with pytest.raises(DataError, match="there is none"):
        alignment(torch.ones(0, 3), torch.ones(0, 3))


@pytest.mark.parametrize("t", [0.5, 2.0])
def test_uniformity_against_scipy(t):
    z = random(40, 6)
    expected = np.log(np.exp(-t * pdist(unit(z), "sqeuclidean")).mean())
    assert uniformity(torch.from_numpy(z), t) == pytest.approx(expected)
    assert uniformity(torch.from_numpy(z * np.arange(1, 41)[:, None]), t) == pytest.approx(expected)


def test_uniformity_is_highest_of_one_point_and_lowest_of_opposite_ends():
    assert uniformity(torch.full((9, 4), 0.3)) == 0
    assert uniformity(torch.ones(1, 4)) == 0
    assert uniformity(torch.tensor([[1.0, 0.0], [-3.0, 0.0]])) == pytest.approx(-8)
    # Far apart on a sphere of many dimensions: distances are near the square root of 2, so the mean near exp(-4).
    assert uniformity(torch.from_numpy(random(300, 2000))) == pytest.approx(-4, abs=0.02)


def test_effective_rank_against_numpy():
    x = random(50, 6) * [5, 3, 1, 0.5, 0.1, 0.01]
    s = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    p = s / s.sum()
    assert effective_rank(torch.from_numpy(x)) == pytest.approx(np.exp(-(p * np.log(p)).sum()))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_effective_rank_of_equal_directions_is_their_number(n):
    axes = torch.eye(5)[:n]
    assert effective_rank(torch.cat([axes, -axes]) * 3 + 100) == pytest.approx(n, abs=1e-3)


@pytest.mark.parametrize("n", [1, 10])
def test_effective_rank_of_one_point_is_zero(n):
    assert effective_rank(torch.full((n, 4), 0.3)) == 0.0


def test_neighbours_are_those_of_scikit_learn_where_only_the_row_itself_is_excluded():
    z = random(30, 4)
    found = neighbours(torch.from_numpy(z), 5, itself(30))
    expected = NearestNeighbors(n_neighbors=5, metric="cosine").fit(z).kneighbors(return_distance=False)
    np.testing.assert_array_equal(found.numpy(), expected)


def test_neighbours_that_may_not_be_found_are_not_and_missing_ones_are_marked():
    z = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    excluded = itself(3).clone()
    excluded[0, 1] = excluded[2, 0] = excluded[2, 1] = True
    assert neighbours(z, 2, excluded).tolist() == [[2, -1], [0, 2], [-1, -1]]


def test_more_neighbours_than_rows_are_refused():
    with pytest.raises(SettingError, match="k is 4"):
        neighbours(torch.ones(3, 2), 4, itself(3))


def test_hubness_is_the_skewness_of_how_often_each_is_found():
    z = random(80, 12)
    found = neighbours(torch.from_numpy(z), 5, itself(80))
    count = [(found == row).sum().item() for row in range(80)]
    assert hubness(found, 80) == pytest.approx(stats.skew(count))


def test_hubness_rises_with_the_dimension():
    """The finding of Radovanovic et al. (2010), fig. 1; rows around a mean, for only then are some nearer to all others."""
    clouds = [torch.from_numpy(random(500, dim) + 1) for dim in (3, 100)]
    few, many = (hubness(neighbours(z, 10, itself(500)), 500) for z in clouds)
    assert many > few + 1


def test_hubness_of_one_hub_is_that_of_its_closed_form():
    n = 10  # one row with count n - 1, one with count 1, the others with none
    index = torch.zeros(n, 1, dtype=torch.int64)
    index[0] = 1
    assert hubness(index, n) == pytest.approx(stats.skew([n - 1, 1] + [0] * (n - 2)))


@pytest.mark.parametrize(
    ("index", "n_rows"),
    [([[1], [2], [0]], 3), ([[-1], [-1]], 2), ([[-1]], 1), ([[0, 1, 2]] * 3, 3)],
)
def test_rows_found_equally_often_are_no_hubs(index, n_rows):
    assert hubness(torch.tensor(index), n_rows) == 0.0
