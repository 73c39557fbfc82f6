"""Scoring by SQL alone: the model as a table, applied where the people are."""
