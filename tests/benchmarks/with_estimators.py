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
        first = slice(workload.rows_per_call or workload.batch_size)
        estimator.partial_fit(
            X[first], y[first], classes=np.arange(workload.data.n_classes)
        )
        layers = initial_weights(workload, X)
        estimator.coefs_ = [weights for weights, _ in layers]
        estimator.intercepts_ = [bias for _, bias in layers]
        chunks = [X[rows] for rows in workload.chunks(len(X))]
        return lambda: np.concatenate([estimator.predict(chunk) for chunk in chunks])

    def partial_fit(self, workload, X, y):
        classes = np.arange(workload.data.n_classes)
        (X_0, y_0), *chunks = [(X[rows], y[rows]) for rows in workload.chunks(len(X))]

        def run():
            estimator = self.make(workload.estimator_parameters)
            estimator.partial_fit(X_0, y_0, classes=classes)
            for X_i, y_i in chunks:
                estimator.partial_fit(X_i, y_i)
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
