"""Feed-forward neural networks for scikit-learn, by backpropagation one can read."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .classifier import BackpropClassifier
from .regressor import BackpropRegressor

if TYPE_CHECKING:
    from .displays import LossCurveDisplay, NetworkDisplay, WeightsDisplay
    from .gradient_check import check_gradient
    from .inspection import hidden_activations, input_gradient, summary
    from .interop import from_sklearn, to_sklearn
    from .onnx_export import to_onnx
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

# Imported on first use, so that who only trains does not wait for them.
_LATER = {
    "displays": ("LossCurveDisplay", "NetworkDisplay", "WeightsDisplay"),
    "gradient_check": ("check_gradient",),
    "inspection": ("hidden_activations", "input_gradient", "summary"),
    "interop": ("from_sklearn", "to_sklearn"),
    "onnx_export": ("to_onnx",),
    "streaming": ("ChunkReport", "train_on_chunks"),
    "trace": ("trace_step",),
}


def __getattr__(name: str) -> Any:
    for module, names in _LATER.items():
        if name == module or name in names:
            found = import_module(f".{module}", __name__)
            return found if name == module else getattr(found, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
