"""To and from other formats: scikit-learn's networks, and ONNX."""

from .sklearn import from_sklearn, to_sklearn

__all__ = ["from_sklearn", "to_sklearn"]
