"""Take people in one by one, while whole builds are made and published."""

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks import intake_checks, intake_people
from benchmarks.intake_people import Supply
from benchmarks.publication_targets import REPOSITORY, riskmart
from python_scoring import warehouse
from python_scoring.intake import adding, documents
from python_scoring.intake.adding import Intake
from python_scoring.warehouse import Connection

_READ_EVERY_SECONDS = 0.05


@dataclass
class Meanwhile:
    """What came of people who were handed in during builds.

    Parameters
    ----------
    seconds
        Of each hand-over, waiting included.
    builds
        Those that they went into, as their answers say, in order.
    looks
        How often a reader looked for everybody acknowledged by then.
    faults
        What it missed, and what was wrong at the end.
    """

    seconds: list[float] = field(default_factory=list)
    builds: list[int] = field(default_factory=list)
    looks: int = 0
    build_seconds: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class Acknowledged:
    """People who were said to be in, and a reader who keeps looking for them.

    Whoever was acknowledged before the reader asks has to be found.
    """

    def __init__(self, org_code: str) -> None:
        self.org_code = org_code
        self.ids: list[str] = []
        self.looks = 0
        self.faults: list[str] = []

    def look(self, conn: Connection, count: int | None = None) -> None:
        """Look for the last ``count`` of them, or for all."""
        ids = self.ids[-count:] if count else list(self.ids)
        missing = intake_checks.missing(conn, self.org_code, ids)
        self.looks += 1
        self.faults += [f"after {len(ids):,} people: {words}" for words in missing]

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look for all of them again and again, on a connection of its own."""
        done = threading.Event()
        thread = threading.Thread(target=self._watch, args=(done,))
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _watch(self, done: threading.Event) -> None:
        with warehouse.connect(autocommit=True) as conn:
            while not done.wait(_READ_EVERY_SECONDS):
                try:
                    self.look(conn)
                except Exception as error:
                    self.faults.append(f"{type(error).__name__}: {error}")
                    return


def take_in_during_builds(
    org_code: str, count: int = 2, pause_seconds: float = 0.2
) -> Meanwhile:
    """Hand people in, one after the other, until so many builds are published."""
    people = Supply(org_code, f"MEANWHILE-{time.time_ns()}")
    seen = Acknowledged(org_code)
    meanwhile = Meanwhile()
    thread = threading.Thread(target=_build, args=(meanwhile, count))
    with (
        adding.intake() as intake,
        warehouse.connect(autocommit=True) as conn,
        seen.watched(),
    ):
        thread.start()
        while thread.is_alive():
            _hand_over(meanwhile, intake, people, seen)
            seen.look(conn, 1)
            thread.join(pause_seconds)
        seen.look(conn)
        meanwhile.faults += intake_checks.miscounted(conn)
    meanwhile.looks = seen.looks
    meanwhile.faults += seen.faults
    if len(meanwhile.build_seconds) != count:
        meanwhile.faults.append(f"{len(meanwhile.build_seconds)} of {count} builds")
    return meanwhile


def _build(meanwhile: Meanwhile, count: int) -> None:
    """Build and publish, by a process of its own."""
    for _ in range(count):
        began = time.perf_counter()
        done = subprocess.run(
            riskmart("build"), cwd=REPOSITORY, capture_output=True, text=True
        )
        if done.returncode:
            meanwhile.faults.append(f"riskmart build: {done.stderr[-500:]}")
            return
        meanwhile.build_seconds.append(time.perf_counter() - began)


def _hand_over(
    meanwhile: Meanwhile, intake: Intake, people: Supply, seen: Acknowledged
) -> None:
    content = intake_people.content([people.new()])
    began = time.perf_counter()
    answer = intake.add(list(documents.split(content)))
    meanwhile.seconds.append(time.perf_counter() - began)
    meanwhile.builds.append(answer.build_id)
    seen.ids += [entry.person[1] for entry in answer.entries if entry.person]
