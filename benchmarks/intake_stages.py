"""Where the time of a new patient goes, by the functions that it passes through."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from python_scoring.intake import answer, documents, store, world
from python_scoring.intake.adding import Intake
from python_scoring.intake.world import World
from python_scoring.readmission import increment

# What is done, and the functions that do it. Scoring is a part of the models' run.
_STAGES: dict[str, list[tuple[Any, str]]] = {
    "keep and check the record": [
        (documents, "split"),
        (store, "keep"),
        (store, "check"),
        (store, "enter"),
        (Intake, "_organizations"),
    ],
    "wait for our turn": [(world, "lock")],
    "tables of the session": [(World, "make")],
    "gather": [(World, "gather")],
    "models": [(World, "run")],
    "score": [(increment, "score_people")],
    "data tests": [(World, "check")],
    "write into the marts": [(World, "put")],
    "answer": [(answer, "collect")],
}
_REST = "the rest, and commit"


class Stages:
    """Seconds by stage, while it watches."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(_STAGES, 0.0)

    @contextmanager
    def watching(self) -> Iterator["Stages"]:
        """Time every call of the functions."""
        patches = [
            mock.patch.object(owner, name, self._timed(stage, getattr(owner, name)))
            for stage, functions in _STAGES.items()
            for owner, name in functions
        ]
        for patch in patches:
            patch.start()
        try:
            yield self
        finally:
            for patch in patches:
                patch.stop()

    def _timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*given: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*given, **named)
            finally:
                self.seconds[stage] += time.perf_counter() - began

        return timed

    def means(self, seconds: float, count: int) -> dict[str, float]:
        """Share out all seconds over the stages, each a mean of so many patients."""
        own = dict(self.seconds)
        own["models"] -= own["score"]
        own[_REST] = seconds - sum(own.values())
        return {stage: spent / count for stage, spent in own.items()}
