"""Feed-forward neural networks for scikit-learn, by backpropagation one can read."""

from .classifier import BackpropClassifier
from .regressor import BackpropRegressor

__all__ = ["BackpropClassifier", "BackpropRegressor", "__version__"]

__version__ = "0.1.0"
