"""Numbers that stand for rules in compiled code.

What is cached of that code has them in it and does not notice when they change: touch
`kernels.py` then, so that it is compiled anew.
"""

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
