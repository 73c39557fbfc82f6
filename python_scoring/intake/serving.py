"""A small loop that takes in what other programs hand in, as it comes."""

import time
from collections.abc import Callable

from python_scoring.errors import GateFailed
from python_scoring.intake.adding import Intake
from python_scoring.intake.answer import Answer

# Between two looks, which cost a millisecond each.
_PAUSE_SECONDS = 0.05
_MOST_AT_ONCE = 1000


def serve(
    intake: Intake,
    tell: Callable[[Answer], None],
    is_stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Take in what waits in ``raw.new_patient_raw_input``, until told to stop.

    What comes while one submission is taken in is taken in together. Where the
    models' data tests fail for some of them, each is tried by itself, and the one
    that is at fault is rejected with what it failed.
    """
    while not is_stopped():
        try:
            answer = intake.add_waiting(_MOST_AT_ONCE)
        except GateFailed:
            answer = _one(intake)
        if answer is None:
            time.sleep(_PAUSE_SECONDS)
        else:
            tell(answer)


def _one(intake: Intake) -> Answer | None:
    try:
        return intake.add_waiting(1)
    except GateFailed as error:
        return intake.reject_waiting(str(error))
