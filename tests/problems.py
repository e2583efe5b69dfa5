"""Problems that train in milliseconds, and what is read off the estimators they fit."""

import numpy as np

SMALL = {"hidden_layer_sizes": (4,), "batch_size": 10, "max_iter": 4, "random_state": 0}


def parameters_of(estimator):
    """Return a copy of all weights and biases in one array."""
    arrays = [*estimator.coefs_, *estimator.intercepts_]
    return np.concatenate([array.ravel() for array in arrays])


def assert_same_weights(one, other):
    """Compare all weights and biases: equal to the last bit, and of the same layers."""
    for name in "coefs_", "intercepts_":
        for a, b in zip(getattr(one, name), getattr(other, name), strict=True):
            np.testing.assert_array_equal(a, b, strict=True)
