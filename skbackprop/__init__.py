"""Feed-forward neural networks for scikit-learn, by backpropagation one can read."""

from .classifier import BackpropClassifier
from .displays import LossCurveDisplay, NetworkDisplay, WeightsDisplay
from .gradient_check import check_gradient
from .inspection import hidden_activations, input_gradient, summary
from .regressor import BackpropRegressor
from .trace import trace_step

__all__ = [
    "BackpropClassifier",
    "BackpropRegressor",
    "LossCurveDisplay",
    "NetworkDisplay",
    "WeightsDisplay",
    "__version__",
    "check_gradient",
    "hidden_activations",
    "input_gradient",
    "summary",
    "trace_step",
]

#: The version of the package.
__version__ = "0.1.0"
