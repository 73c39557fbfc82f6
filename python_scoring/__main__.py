"""`python -m python_scoring` is the same program as `./riskmart`."""

from python_scoring.cli import main

main()
