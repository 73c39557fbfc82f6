"""Errors, by who handles them.

Bad input is the user's to mend, a failed gate is the team's to look at, and
everything that is neither is a fault of ours and stays a traceback.
"""


class RiskmartError(Exception):
    """A failure that is told in words rather than by a traceback."""

    exit_code = 1


class BadInput(RiskmartError):
    """Something handed to us is wrong: file, row, column, value, expectation."""

    exit_code = 2


class GateFailed(RiskmartError):
    """A test or gate said no; what readers had stays as it was."""

    exit_code = 1
