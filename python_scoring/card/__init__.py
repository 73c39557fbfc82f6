"""The model card: what a clinician and an auditor should know of a model."""

from python_scoring.card.document import write

__all__ = ["write"]
