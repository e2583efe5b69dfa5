"""Numbers that stand for rules in compiled code."""

from __future__ import annotations

(
    IDENTITY,
    SIGMOID,
    TANH,
    RELU,
    LEAKY_RELU,
    ELU,
    EXPONENTIAL,
    SOFTMAX,
    GELU,
    SILU,
    MISH,
    SOFTPLUS,
) = range(12)

(
    LOG_LOSS,
    BINARY_LOG_LOSS,
    FOCAL,
    SQUARED_ERROR,
    POISSON,
    GAMMA,
    ABSOLUTE_ERROR,
    HUBER,
    QUANTILE,
    LOG_COSH,
) = range(10)

SGD, ADAM, NADAM, RMSPROP, ADAGRAD, RPROP, LION = range(7)
