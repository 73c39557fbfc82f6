"""The measured claims of the README, to be run again on any machine.

``python -m benchmarks.pipeline --patients 3000 30000 300000 1000000``
"""
