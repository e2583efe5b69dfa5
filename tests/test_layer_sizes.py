"""Layers: the tuple it stands for, wherever sizes are asked for."""

import pytest
from scipy.stats import randint
from sklearn.base import clone
from sklearn.model_selection import RandomizedSearchCV
from sklearn.neural_network import MLPClassifier

from skbackprop import (
    BackpropClassifier,
    BackpropRegressor,
    Layers,
    TabularRegressor,
    from_sklearn,
    to_sklearn,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"  # few epochs, for speed
)


@pytest.mark.parametrize(
    ("layers", "sizes"),
    [
        (Layers(), (100,)),
        (Layers(n=0), ()),
        (Layers(n=3, width=5), (5, 5, 5)),
    ],
)
def test_it_is_a_sequence_of_equal_sizes(layers, sizes):
    assert tuple(layers) == sizes
    assert len(layers) == len(sizes)
    assert layers[-2:] == list(sizes[-2:])


@pytest.mark.parametrize("cls", [BackpropClassifier, MLPClassifier])
def test_it_trains_like_the_tuple_in_our_classifier_and_in_mlp(cls, X, y):
    """With two integers of NumPy, as a distribution of SciPy draws them."""
    n, width = randint(2, 3).rvs(random_state=0), randint(4, 5).rvs(random_state=0)
    layers = Layers(n=n, width=width)
    one, other = (
        cls(sizes, max_iter=3, random_state=0).fit(X, y) for sizes in (layers, (4, 4))
    )
    assert one.loss_curve_ == other.loss_curve_


def test_it_is_a_tuple_in_an_mlp_that_is_handed_on(X, y):
    """Who unpickles that needs no skbackprop."""
    net = BackpropClassifier(Layers(n=2, width=3), max_iter=2).fit(X, y)
    assert to_sklearn(net).hidden_layer_sizes == (3, 3)
    assert from_sklearn(to_sklearn(net)).hidden_layer_sizes == (3, 3)


def test_a_randomized_search_varies_the_sizes_of_a_table(X):
    table = TabularRegressor(hidden_layer_sizes=Layers(), n_members=2, max_iter=2)
    n, width = "hidden_layer_sizes__n", "hidden_layer_sizes__width"
    distributions = {n: randint(1, 3), width: randint(2, 5)}
    search = RandomizedSearchCV(table, distributions, n_iter=2, cv=2, random_state=0)
    member = search.fit(X, X[:, 0]).best_estimator_.members_[0]
    sizes = [search.best_params_[width]] * search.best_params_[n]
    assert [len(bias) for bias in member.intercepts_[:-1]] == sizes
    assert table.hidden_layer_sizes == Layers()  # the given one stays as it was


@pytest.mark.parametrize("estimator", [BackpropRegressor(), TabularRegressor()])
@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (Layers(n=-1), r"'n' parameter of Layers must be an int in the range \[0, inf\)"),
        (Layers(width=0), r"'width' parameter of Layers .* \[1, inf\). Got 0 instead"),
        (Layers(width=8.0), r"an int .* Got 8.0 instead"),
        (Layers, "a sequence of them, one per hidden layer. Got <class"),
    ],
)
def test_wrong_sizes_are_refused(estimator, layers, words, X):
    estimator = clone(estimator).set_params(hidden_layer_sizes=layers)
    with pytest.raises(ValueError, match=words):
        estimator.fit(X, X[:, 0])


@pytest.mark.parametrize("cls", [BackpropRegressor, TabularRegressor])
def test_a_width_set_on_a_tuple_is_refused_with_what_to_pass_instead(cls):
    with pytest.raises(ValueError, match=r"hidden_layer_sizes=Layers\(width=32\)"):
        cls().set_params(hidden_layer_sizes__width=32)
