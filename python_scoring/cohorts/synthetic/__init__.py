"""The synthetic care-management panel, in parts."""
