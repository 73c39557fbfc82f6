"""Cohorts: made, loaded from files, checked."""
