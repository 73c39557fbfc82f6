"""The trail: what was done, by whom, in a chain that shows what is missing."""
