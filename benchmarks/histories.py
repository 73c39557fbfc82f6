"""Random histories of new patients: whatever comes in which order, one set of marts.

A history is an organization with a small cohort of its own, to which people are
handed in: new ones, corrections, late records, people of the cohort, replays and
faults, one by one and many at once, beside builds and ways back. In the end the marts
that were kept by increments must be those of a full build; and a second organization
with the same cohort, which got the same records in another order, must come out the
same.
"""

import json
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pandas as pd

from benchmarks import sameness
from python_scoring import pipeline, warehouse
from python_scoring.cohorts import cohort, generator
from python_scoring.intake import adding, documents
from python_scoring.intake.adding import Intake
from python_scoring.intake.record import CONDITIONS
from python_scoring.publication import builds, publish
from python_scoring.warehouse import Connection

AS_OF = date(2025, 12, 31)
COHORT_PEOPLE = 40

Record = dict[str, Any]


def organizations(count: int) -> str:
    """Write lines for organizations.csv: of each history, and of its twin."""
    return "".join(
        f"{1000 + number},{code},History {number}\n"
        for number, code in enumerate(codes(count))
    )


def codes(count: int) -> list[str]:
    """Give codes of organizations: of each history, and of its twin."""
    return [f"{kind}{n:03}" for n in range(count) for kind in ("H", "T")]


@dataclass
class History:
    """What one organization is handed, and what it has accepted."""

    code: str
    rng: random.Random
    accepted: list[Record] = field(default_factory=list)

    def submission(self) -> list[bytes]:
        """Draw what comes next."""
        kinds: list[Callable[[], list[bytes]]] = [
            self._one,
            self._one,
            self._many,
            self._correction,
            self._of_the_cohort,
            self._replay,
            self._fault,
        ]
        return self.rng.choice(kinds)()

    def _one(self) -> list[bytes]:
        return [_bytes(self._record(f"N{self.rng.randrange(30)}"))]

    def _many(self) -> list[bytes]:
        people = self.rng.sample(range(30), self.rng.randint(2, 6))
        return [_bytes(self._record(f"N{n}")) for n in people]

    def _of_the_cohort(self) -> list[bytes]:
        return [_bytes(self._record(_cohort_id(self.rng.randrange(COHORT_PEOPLE))))]

    def _correction(self) -> list[bytes]:
        """Hand the same person's same day in again, with something else in it."""
        if not self.accepted:
            return self._one()
        before = self.rng.choice(self.accepted)
        after = self._record(before["external_id"], before["index_date"])
        return [_bytes(after)]

    def _replay(self) -> list[bytes]:
        # Of a day the last record counts, so that only that can come again
        # without changing anything.
        last = {(r["external_id"], r["index_date"]): r for r in self.accepted}
        return [_bytes(self.rng.choice(list(last.values())))] if last else self._one()

    def _fault(self) -> list[bytes]:
        broken = self._record("N1") | {"total_admissions": -1}
        return [b'{"external_id": ', _bytes(broken)][self.rng.randrange(2) :]

    def _record(self, external_id: str, day: str | None = None) -> Record:
        rng = self.rng
        index_date = (
            date.fromisoformat(day)
            if day
            else AS_OF + timedelta(days=rng.randint(-200, 200))
        )
        admissions = rng.choice([0, 0, 1, 2, 5])
        cost = round(rng.lognormvariate(9, 1), 2)
        last = index_date - timedelta(days=rng.randint(0, 300)) if admissions else None
        return {
            "org_code": self.code,
            "external_id": external_id,
            "source_system": rng.choice(["FRONTEND_FORM", "API", "IMPORTED"]),
            "index_date": index_date.isoformat(),
            "gender": rng.choice(["female", "male"]),
            "race": rng.choice(["White", "Black", "Other", "Hispanic"]),
            "age": rng.randint(20, 100),
            "conditions": rng.sample(CONDITIONS, rng.randint(0, 4)),
            "has_esrd": rng.random() < 0.1,
            "total_admissions": admissions,
            "total_hospital_days": admissions * rng.randint(1, 6),
            "last_admission_date": last.isoformat() if last else None,
            "total_outpatient_visits": rng.randint(0, 20),
            "annual_cost": cost,
            "inpatient_cost": round(cost / 2, 2) if admissions else 0,
        }

    def note(self, given: list[bytes], answer: adding.Answer) -> None:
        """Remember what was accepted, as of the order in which it was."""
        for entry in answer.entries:
            if entry.outcome == "accepted":
                self.accepted.append(json.loads(given[entry.position - 1]))

    def in_another_order(self) -> Iterator[Record]:
        """Give what was accepted, shuffled; but of one person's day in its order."""
        days: dict[tuple[str, str], list[Record]] = {}
        for record in self.accepted:
            days.setdefault((record["external_id"], record["index_date"]), []).append(
                record
            )
        keys = [key for key, records in days.items() for _ in records]
        self.rng.shuffle(keys)
        return (days[key].pop(0) for key in keys)


def _bytes(record: Record) -> bytes:
    return json.dumps(record).encode()


def _cohort_id(number: int) -> str:
    return f"C{number:02}"


def load_cohorts(conn: Connection, count: int) -> None:
    """Give each history a cohort, and its twin the same."""
    for number, code in enumerate(codes(count)):
        people = generator.generate(COHORT_PEOPLE, 500 + number // 2)
        ids = [_cohort_id(n) for n in range(COHORT_PEOPLE)]
        frame = pd.DataFrame({"external_id": ids, **people.base})
        cohort.load_frame(conn, frame, None, org=code, as_of=AS_OF)


def play(count: int, seed: int, submissions: int = 12) -> list[str]:
    """Play histories in the warehouse in force, and say what differs in the end.

    Parameters
    ----------
    submissions
        For each history; a tenth of them for show, as a dry run.

    Returns
    -------
    One line for each mart that differs from a full build, and for each organization
    that differs from its twin.
    """
    rng = random.Random(seed)
    histories = [History(f"H{n:03}", random.Random(rng.random())) for n in range(count)]
    turns = [history for history in histories for _ in range(submissions)]
    rng.shuffle(turns)
    quarter = len(turns) // 4
    with adding.intake() as intake, warehouse.connect(autocommit=True) as conn:
        _play(intake, turns[:quarter], rng)
        _build_beside(intake, turns[quarter : 2 * quarter], rng)
        made = builds.published(conn)
        assert made is not None
        # What the other build had scored for itself, an earlier one does not show:
        # readers get the later one again before the end.
        publish.go_back(conn)
        _play(intake, turns[2 * quarter : 3 * quarter], rng)
        publish.go_back(conn, made.build_id)
        _play(intake, turns[3 * quarter :], rng)
        for history in histories:
            _play_twin(intake, history)
    return [*_against_full_build(), *sameness.twins(_pairs(count))]


def _pairs(count: int) -> list[tuple[str, str]]:
    return list(zip(codes(count)[::2], codes(count)[1::2], strict=True))


def _play(intake: Intake, turns: list[History], rng: random.Random) -> None:
    for history in turns:
        given = history.submission()
        received = list(documents.split(b"[" + b",".join(given) + b"]"))
        if rng.random() < 0.1:
            intake.add(received, is_dry_run=True)
        elif rng.random() < 0.2 and len(given) == 1:
            _hand_in_by_table(intake, history, given)
        else:
            history.note(given, intake.add(received))


def _hand_in_by_table(intake: Intake, history: History, given: list[bytes]) -> None:
    """Hand in as other programs do, for `riskmart serve-intake` to find."""
    intake.conn.execute(
        "insert into raw.new_patient_raw_input (content) values (%s)", (given[0],)
    )
    answer = intake.add_waiting(10)
    assert answer is not None
    history.note(given, answer)


def _build_beside(intake: Intake, turns: list[History], rng: random.Random) -> None:
    """Play while a build runs and publishes, and until it is done."""
    failed: list[BaseException] = []

    def build() -> None:
        try:
            build_and_publish()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=build)
    thread.start()
    _play(intake, turns, rng)
    while thread.is_alive():
        _play(intake, [rng.choice(turns)], rng)
        thread.join(0.2)
    if failed:
        raise failed[0]


def build_and_publish() -> None:
    """Build without running the tests, for which sameness stands here, and publish."""
    pipeline.build(tests=False)
    with warehouse.connect(autocommit=True) as conn:
        candidate = builds.candidate(conn)
        assert candidate is not None
        publish.publish(conn, candidate)


def _play_twin(intake: Intake, history: History) -> None:
    code = history.code.replace("H", "T")
    for record in history.in_another_order():
        intake.add(list(documents.split(_bytes(record | {"org_code": code}))))


def _against_full_build() -> list[str]:
    with warehouse.connect() as conn:
        current = builds.published(conn)
    assert current is not None
    pipeline.build(tests=False)
    return sameness.differences(current.schema, "candidate")
