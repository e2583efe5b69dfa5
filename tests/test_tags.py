"""Tags follow parameters: what narrows the data an estimator takes narrows its tags."""

from importlib.util import find_spec

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.utils import get_tags

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.engines import NumbaEngine, NumpyEngine
from skbackprop.losses import (
    CLASSIFIER_LOSSES,
    REGRESSOR_LOSSES,
    BinaryLogLoss,
    Focal,
    Gamma,
    Huber,
    LogLoss,
    Poisson,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"  # few epochs, for speed
)
SMALL = {"hidden_layer_sizes": (3,), "max_iter": 2, "random_state": 0}
ENGINES = ["numpy", "auto", NumpyEngine()]
if find_spec("numba"):
    ENGINES += ["numba", NumbaEngine()]


def takes(estimator, X, y):
    try:
        estimator.fit(X, y)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("loss", [*REGRESSOR_LOSSES, Poisson(), Gamma(), Huber()], ids=str)
def test_tags_say_whether_targets_must_be_positive(loss, X):
    regressor = BackpropRegressor(**SMALL, loss=loss)
    needs_positive = get_tags(regressor).target_tags.positive_only
    assert needs_positive is not takes(regressor, X, X[:, 0])
    assert takes(regressor, X, np.exp(X[:, 0]))


@pytest.mark.parametrize(
    "params",
    [
        *({"loss": loss} for loss in CLASSIFIER_LOSSES),
        *({"loss": loss} for loss in (LogLoss(), BinaryLogLoss(), Focal())),
        {"class_weight": "balanced"},
        {"class_weight": {0: 2.0}},
    ],
    ids=str,
)
def test_tags_say_whether_a_row_may_have_several_labels(params, X, y):
    classifier = BackpropClassifier(**SMALL, **params)
    labels = (X > 0).astype(int)
    assert get_tags(classifier).classifier_tags.multi_label is takes(classifier, X, labels)
    assert takes(classifier, X, y)


@pytest.mark.parametrize("engine", ENGINES, ids=str)
@pytest.mark.parametrize("cls", [BackpropClassifier, BackpropRegressor])
def test_tags_say_whether_rows_may_be_sparse(cls, engine, X, y):
    estimator = cls(**SMALL, engine=engine)
    assert get_tags(estimator).input_tags.sparse is takes(estimator, sp.csr_matrix(X), y)


@pytest.mark.parametrize("cls", [BackpropClassifier, BackpropRegressor])
@pytest.mark.parametrize("wrong", [{"loss": "no such"}, {"loss": 3}, {"engine": "none"}])
def test_tags_of_wrong_parameters_leave_the_error_to_fit(cls, wrong, X, y):
    estimator = cls(**SMALL, **wrong)
    get_tags(estimator)
    with pytest.raises(ValueError, match=f"parameter of {cls.__name__}"):
        estimator.fit(X, y)
