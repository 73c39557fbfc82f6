"""Who is left alone by every programme: `int_holdout_arms`, said in Python."""

import hashlib

from python_scoring import project_vars

_DIGITS = 6
_STEPS = 0x1000000


def share() -> float:
    """Read the share of people who are controls."""
    return project_vars.share("holdout_share")


def salt() -> str:
    """Read the word that the draw begins with."""
    return project_vars.word("holdout_salt")


def draw(salt: str, patient_uuid: str) -> float:
    """Draw a number from 0 to below 1 for a person: always the same one.

    Parameters
    ----------
    patient_uuid
        In lower case, with hyphens, as PostgreSQL writes it.

    Returns
    -------
    The first six hexadecimal digits of md5(salt:patient_uuid) as a fraction.
    """
    text = f"{salt}:{patient_uuid}".encode()
    digest = hashlib.md5(text, usedforsecurity=False).hexdigest()
    return int(digest[:_DIGITS], 16) / _STEPS
