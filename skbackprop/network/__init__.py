"""The network: layers, the flat vector of their parameters, and the objective."""

from .network import Dense, Network
from .objective import Batch, Objective

__all__ = ["Batch", "Dense", "Network", "Objective"]
