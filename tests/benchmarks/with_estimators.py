"""BackpropClassifier and MLPClassifier as contestants: the same calls on both."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from workloads import initial_weights


class _Estimators:
    """What the benchmarks ask of an estimator; a subclass makes it."""

    def __init__(self):
        # a fixed number of epochs is not a failure to converge
        warnings.simplefilter("ignore", ConvergenceWarning)

    def train(self, workload, X, y):
        return lambda: _layers(self.make(workload.estimator_parameters).fit(X, y))

    fit = memory = train

    def predict(self, workload, X, y):
        estimator = self.make(workload.estimator_parameters)
        estimator.partial_fit(X[:1], y[:1], classes=np.unique(y))
        layers = initial_weights(workload, X)
        estimator.coefs_ = [weights for weights, _ in layers]
        estimator.intercepts_ = [bias for _, bias in layers]
        if workload.row_by_row:
            rows = [X[i : i + 1] for i in range(workload.n_calls)]
            return lambda: np.concatenate([estimator.predict(row) for row in rows])
        return lambda: [estimator.predict(X) for _ in range(workload.n_calls)][-1]

    def partial_fit(self, workload, X, y):
        classes = np.unique(y)

        def run():
            estimator = self.make(workload.estimator_parameters)
            estimator.partial_fit(X[:1], y[:1], classes=classes)
            for i in range(1, workload.n_calls):
                estimator.partial_fit(X[i : i + 1], y[i : i + 1])
            return _layers(estimator)

        return run


class WithSklearn(_Estimators):
    def make(self, parameters):
        from sklearn.neural_network import MLPClassifier

        return MLPClassifier(**parameters)


class WithSkbackprop(_Estimators):
    def __init__(self, engine):
        super().__init__()
        self.engine = engine

    def make(self, parameters):
        from skbackprop import BackpropClassifier

        return BackpropClassifier(engine=self.engine, **parameters)


def _layers(estimator):
    return list(zip(estimator.coefs_, estimator.intercepts_, strict=True))
