"""Feed-forward neural networks for scikit-learn, by backpropagation one can read."""

from .classifier import BackpropClassifier
from .displays import LossCurveDisplay, NetworkDisplay, WeightsDisplay
from .gradient_check import check_gradient
from .inspection import hidden_activations, input_gradient, summary
from .regressor import BackpropRegressor
from .streaming import ChunkReport, train_on_chunks
from .trace import trace_step

__all__ = [
    "BackpropClassifier",
    "BackpropRegressor",
    "ChunkReport",
    "LossCurveDisplay",
    "NetworkDisplay",
    "WeightsDisplay",
    "__version__",
    "check_gradient",
    "hidden_activations",
    "input_gradient",
    "summary",
    "trace_step",
    "train_on_chunks",
]

__version__ = "0.1.0"
