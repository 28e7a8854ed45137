import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from myow.errors import DataError
from myow.evaluation import metrics

labels = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)


@given(labels)
def test_class_metrics_agree_with_scikit_learn(pairs):
    true, predicted = np.array(pairs).T
    assert metrics.accuracy(true, predicted) == pytest.approx(reference.accuracy_score(true, predicted))
    f1 = reference.f1_score(true, predicted, average="weighted", zero_division=0)
    assert metrics.weighted_f1(true, predicted) == pytest.approx(f1)
    present = np.unique(true)
    recall = reference.recall_score(true, predicted, labels=present, average="macro", zero_division=0)
    assert metrics.balanced_accuracy(true, predicted) == pytest.approx(recall)


@given(labels)
def test_confusion_matrix_agrees_with_scikit_learn(pairs):
    true, predicted = np.array(pairs).T
    classes = [3, 0, 4, 1, 2]  # the order asked for, not the sorted one
    expected = reference.confusion_matrix(true, predicted, labels=classes)
    np.testing.assert_array_equal(metrics.confusion_matrix(true, predicted, classes), expected)


def test_class_metrics_take_strings():
    true, predicted = ["REM", "Wake", "Wake", "nREM"], ["REM", "Wake", "nREM", "nREM"]
    assert metrics.accuracy(true, predicted) == 0.75
    assert metrics.balanced_accuracy(true, predicted) == pytest.approx((1 + 0.5 + 1) / 3)
    matrix = metrics.confusion_matrix(true, predicted, ["Wake", "nREM", "REM"])
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_a_class_that_is_only_predicted_does_not_enter_balanced_accuracy():
    assert metrics.balanced_accuracy([0, 0, 1, 1], [0, 2, 1, 2]) == 0.5


def test_angular_error_by_hand():
    true = np.array([0.0, 0.1, -np.pi + 0.1, 5 * np.pi])
    predicted = np.array([2 * np.pi, 2 * np.pi - 0.1, np.pi - 0.1, 0.0])
    np.testing.assert_allclose(metrics.angular_error(true, predicted), [0.0, 0.2, 0.2, np.pi], atol=1e-12)


@given(st.floats(-20, 20), st.floats(-20, 20))
def test_angular_error_is_the_angle_between_unit_vectors(a, b):
    cosine = np.cos(a) * np.cos(b) + np.sin(a) * np.sin(b)
    assert np.cos(metrics.angular_error([a], [b])[0]) == pytest.approx(cosine, abs=1e-9)


def test_angle_accuracies_use_their_tolerances():
    true = np.full(4, 2 * np.pi - 0.01)
    off = np.array([0.99 * np.pi / 8, 1.01 * np.pi / 8, 0.99 * 3 * np.pi / 16, 1.01 * 3 * np.pi / 16])
    assert (metrics.angular_error(true, true + off) < metrics.ANGLE_TOLERANCE).mean() == 0.25
    assert (metrics.angular_error(true, true - off) < metrics.DELTA_TOLERANCE).mean() == 0.75


@pytest.mark.parametrize("columns", [(), (3,)])
def test_r2_agrees_with_scikit_learn(columns):
    rng = np.random.default_rng(0)
    true = rng.normal(5, 1, (50, *columns)) * (1.0 if not columns else np.array([1.0, 3.0, 0.1]))
    predicted = true + rng.normal(size=true.shape)
    expected = reference.r2_score(true, predicted, multioutput="variance_weighted")
    assert metrics.r2(true, predicted) == pytest.approx(expected)


def test_r2_refuses_a_target_that_does_not_vary():
    with pytest.raises(DataError, match="one value in all 5 rows"):
        metrics.r2(np.ones(5), np.zeros(5))


@pytest.mark.parametrize(
    "function",
    [metrics.accuracy, metrics.balanced_accuracy, metrics.weighted_f1, metrics.angular_error, metrics.r2],
)
def test_shapes_must_agree_and_hold_a_row(function):
    with pytest.raises(DataError, match=r"\(3,\), predicted \(2,\)"):
        function([1, 2, 3], [1, 2])
    with pytest.raises(DataError, match="hold a row"):
        function([], [])


def test_confusion_matrix_refuses_a_label_it_was_not_told_of():
    with pytest.raises(DataError, match="label 7 is not among the classes"):
        metrics.confusion_matrix([0, 1], [0, 7], [0, 1])
