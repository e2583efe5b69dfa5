"""Feed-forward neural networks for scikit-learn, by backpropagation one can read."""

from .classifier import BackpropClassifier
from .regressor import BackpropRegressor
from .trace import trace_step

__all__ = ["BackpropClassifier", "BackpropRegressor", "__version__", "trace_step"]

__version__ = "0.1.0"
