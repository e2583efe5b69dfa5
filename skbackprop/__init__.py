"""Feed-forward neural networks for scikit-learn, by backpropagation one can read."""

from ._version import __version__
from .classifier import BackpropClassifier
from .displays import LossCurveDisplay, NetworkDisplay, WeightsDisplay
from .gradient_check import check_gradient
from .inspection import hidden_activations, input_gradient, summary
from .interop import from_sklearn, to_sklearn
from .onnx_export import to_onnx
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
    "from_sklearn",
    "hidden_activations",
    "input_gradient",
    "summary",
    "to_onnx",
    "to_sklearn",
    "trace_step",
    "train_on_chunks",
]
