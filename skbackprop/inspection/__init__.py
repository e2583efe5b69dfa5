"""Looking inside: one training step in numbers, gradient checks, summaries and pictures."""

from .network_summary import (
    LayerSummary,
    Summary,
    hidden_activations,
    input_gradient,
    summary,
)

__all__ = ["LayerSummary", "Summary", "hidden_activations", "input_gradient", "summary"]
