"""Did the contestants solve the same problem? Their answers are compared."""

import numpy as np

DIFFERENT_LABELS = 0.001  # at most, as a share
NEGLIGIBLE_LOSS = 0.002  # below it, losses differ by when a training stopped


def figure_of(workload, answer):
    """Return the log loss of all training rows under the answer's parameters.

    It is calculated here for every contestant, in double precision, whatever the
    contestant itself reports. Where the answer is predicted labels, they are returned.
    """
    if answer is None or workload.task == "predict":
        return answer
    X, y = workload.data.load(workload.dtype)
    activation = workload.estimator_parameters.get("activation", "relu")
    return _log_loss(_net_output(answer, X.astype(float), activation), y)


def disagreements(workload, figures):
    """Return a sentence for every contestant that differs from the first one."""
    figures = {name: f for name, f in figures.items() if f is not None}
    reference, *others = figures
    return [
        f"{workload.name}: {name} and {reference} differ: "
        f"{_shown(figures[name])} and {_shown(figures[reference])}"
        for name in others
        if not _agree(figures[name], figures[reference], workload.tolerance)
    ]


def _agree(figure, other, tolerance):
    if isinstance(figure, np.ndarray):
        return np.mean(figure != other) <= DIFFERENT_LABELS
    difference = abs(figure - other)
    return difference <= max(NEGLIGIBLE_LOSS, tolerance * other)


def _shown(figure):
    return f"labels {figure[:10]}..." if isinstance(figure, np.ndarray) else f"{figure:.4g}"


def _net_output(layers, inputs, activation):
    for weights, bias in layers[:-1]:
        z = inputs @ weights + bias
        inputs = np.maximum(z, 0) if activation == "relu" else 1 / (1 + np.exp(-z))
    weights, bias = layers[-1]
    return inputs @ weights + bias


def _log_loss(z, y):
    if z.shape[1] == 1:  # two classes, one logistic output
        z = np.hstack([np.zeros_like(z), z])
    z = z - z.max(axis=1, keepdims=True)
    log_o = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return float(-log_o[np.arange(len(y)), y].mean())
