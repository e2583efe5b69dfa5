"""Former paths of public modules that have moved: they lead to the same objects."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec

__all__ = ["FormerPaths"]

MOVED = {
    "displays": "inspection.displays",
    "dropout": "network.dropout",
    "gradient_check": "inspection.gradient_check",
    "layers": "network.network",
    "onnx_export": "interop.onnx",
    "spec": "rule",
    "trace": "inspection.trace",
}


class FormerPaths(MetaPathFinder, Loader):
    """Finds a module of this package by the path that it had before."""

    def __init__(self, package: str):
        self.moved = {f"{package}.{old}": f"{package}.{new}" for old, new in MOVED.items()}

    def find_spec(self, fullname, path=None, target=None):
        return ModuleSpec(fullname, self) if fullname in self.moved else None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        """Put the moved module in place of the empty one: imports look there."""
        former = module.__name__
        sys.modules[former] = import_module(self.moved[former])

    def install(self) -> None:
        """Ask this finder last: an existing module is always found before."""
        sys.meta_path.append(self)
