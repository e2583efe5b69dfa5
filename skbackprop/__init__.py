"""Feed-forward neural networks for scikit-learn, by backpropagation one can read."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._former_paths import FormerPaths
from ._version import __version__
from .classifier import BackpropClassifier
from .regressor import BackpropRegressor

if TYPE_CHECKING:
    from .hidden_features import HiddenLayerTransformer
    from .inspection.displays import LossCurveDisplay, NetworkDisplay, WeightsDisplay
    from .inspection.gradient_check import check_gradient
    from .inspection.learning_rate import learning_rate_range
    from .inspection.network_summary import hidden_activations, input_gradient, summary
    from .inspection.replay import replay
    from .inspection.step_comparison import compare_step
    from .inspection.trace import trace_step
    from .interop.onnx import to_onnx
    from .interop.sklearn import from_sklearn, to_sklearn
    from .layer_sizes import Layers
    from .streaming import ChunkReport, train_on_chunks
    from .tabular import TabularClassifier, TabularRegressor

__all__ = [
    "BackpropClassifier",
    "BackpropRegressor",
    "ChunkReport",
    "HiddenLayerTransformer",
    "Layers",
    "LossCurveDisplay",
    "NetworkDisplay",
    "TabularClassifier",
    "TabularRegressor",
    "WeightsDisplay",
    "__version__",
    "check_gradient",
    "compare_step",
    "from_sklearn",
    "hidden_activations",
    "input_gradient",
    "learning_rate_range",
    "replay",
    "summary",
    "to_onnx",
    "to_sklearn",
    "trace_step",
    "train_on_chunks",
]

# Imported on first use, so that who only trains does not wait for them.
_LATER = {
    "hidden_features": ("HiddenLayerTransformer",),
    "inspection.displays": ("LossCurveDisplay", "NetworkDisplay", "WeightsDisplay"),
    "inspection.gradient_check": ("check_gradient",),
    "inspection.learning_rate": ("learning_rate_range",),
    "inspection.network_summary": ("hidden_activations", "input_gradient", "summary"),
    "inspection.replay": ("replay",),
    "inspection.step_comparison": ("compare_step",),
    "inspection.trace": ("trace_step",),
    "interop.onnx": ("to_onnx",),
    "interop.sklearn": ("from_sklearn", "to_sklearn"),
    "layer_sizes": ("Layers",),
    "streaming": ("ChunkReport", "train_on_chunks"),
    "tabular": ("TabularClassifier", "TabularRegressor"),
}
_ROOMS = {"inspection", "interop", "preprocessing", "streaming", "tabular"}

FormerPaths(__name__).install()


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f".{name}", __name__)
    for module, names in _LATER.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
