"""A small loop that takes in what other programs hand in, as it comes."""

import time
from collections.abc import Callable

import psycopg

from python_scoring.errors import BadInput, GateFailed
from python_scoring.intake.adding import Intake
from python_scoring.intake.answer import Answer

# Between two looks, which cost a millisecond each.
_PAUSE_SECONDS = 0.05
_MOST_AT_ONCE = 1000

# Of the server, or of the build: no record's fault.
_NOT_OF_A_RECORD = (psycopg.OperationalError, psycopg.InterfaceError, BadInput)


def serve(
    intake: Intake,
    tell: Callable[[Answer], None],
    complain: Callable[[Exception], None],
    is_stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Take in what waits in ``raw.new_patient_raw_input``, until told to stop.

    What comes while others are taken in is taken in together. Where that fails, each
    is tried by itself, so that one record that nobody thought of holds up nobody: it
    is rejected with what went wrong.

    Parameters
    ----------
    tell
        Called with what became of the records.
    complain
        Called with what went wrong, where that was a fault of ours.
    """
    while not is_stopped():
        try:
            answer = intake.add_waiting(_MOST_AT_ONCE)
        except _NOT_OF_A_RECORD:
            raise
        except Exception:
            answer = _take_one(intake, complain)
        if answer is None:
            time.sleep(_PAUSE_SECONDS)
        else:
            tell(answer)


def _take_one(intake: Intake, complain: Callable[[Exception], None]) -> Answer | None:
    try:
        return intake.add_waiting(1)
    except _NOT_OF_A_RECORD:
        raise
    except GateFailed as error:
        return intake.reject_waiting(str(error))
    except Exception as error:
        complain(error)
        # Without its words: they may hold what the record says of somebody.
        name = type(error).__name__
        return intake.reject_waiting(f"a record that riskmart can read ({name})")
