"""Take new patients into the published build, in one transaction or not at all."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from python_scoring import warehouse
from python_scoring.audit import store as trail
from python_scoring.errors import BadInput
from python_scoring.identities import vault
from python_scoring.identities.pseudonyms import Pseudonyms
from python_scoring.intake import answer, store, world
from python_scoring.intake.answer import Answer
from python_scoring.intake.documents import Document
from python_scoring.intake.record import Fault
from python_scoring.intake.store import Input
from python_scoring.publication import builds
from python_scoring.publication.builds import BuildRecord
from python_scoring.readmission import increment
from python_scoring.warehouse import Connection

_WITHHELD = Fault(
    None, None, "every record of the submission without a fault (--all-or-nothing)"
)


class _Undone(Exception):
    """Roll back: it was only asked what would be."""


@dataclass
class Intake:
    """A connection that takes patients in, one submission after another.

    The first one opens the model and makes the session's tables; the others find
    them there.
    """

    conn: Connection
    _worlds: dict[int, world.World] = field(default_factory=dict)

    def add(
        self,
        documents: Sequence[Document],
        *,
        is_dry_run: bool = False,
        is_all_or_nothing: bool = False,
    ) -> Answer:
        """Keep records, check them, and take the good ones into every mart.

        Parameters
        ----------
        documents
            As `documents.split` gives them.
        is_dry_run
            Answer the same, and leave no trace.
        is_all_or_nothing
            Take nobody in where one record has a fault.

        Raises
        ------
        GateFailed
            What the models make of them fails a data test; nothing is kept.
        BadInput
            Nothing is published yet, the build's model cannot be used here, or the key
            is not the one in force.
        """
        given = None
        received = store.read(documents)
        self._open_model()
        try:
            with self.conn.transaction():
                build, names = self._published()
                inputs = store.keep(self.conn, received, names)
                given = self._take(build, names, inputs, is_all_or_nothing, is_dry_run)
                if is_dry_run:
                    raise _Undone
        except _Undone:
            pass
        assert given is not None
        return given

    def add_waiting(self, most: int) -> Answer | None:
        """Take in what other programs put into ``raw.new_patient_raw_input``.

        Returns
        -------
        None where nothing waits.
        """
        if not store.is_waiting(self.conn):
            return None
        with self.conn.transaction():
            found = store.waiting(self.conn, most, vault.in_force(self.conn))
        self._open_model()
        with self.conn.transaction():
            build, names = self._published()
            inputs = store.still_waiting(self.conn, found)
            return self._take(build, names, inputs) if inputs else None

    def reject_waiting(self, why: str) -> Answer | None:
        """Reject the first of what waits, unread: it was tried, and failed."""
        with self.conn.transaction():
            build, names = self._published()
            first = store.first_waiting(self.conn, why)
            return self._take(build, names, [first] if first else [])

    def _open_model(self) -> None:
        """Do what takes long and needs no turn."""
        build = builds.published(self.conn)
        if build:
            increment.open_model(self.conn, build.build_id)

    def _published(self) -> tuple[BuildRecord, Pseudonyms]:
        """Wait for our turn; find the build that readers have, and the key in force."""
        world.lock(self.conn)
        build = builds.published(self.conn)
        if build is None:
            raise BadInput(
                "nobody can be taken in before a build is published; run "
                "`riskmart build`"
            )
        return build, vault.in_force(self.conn)

    def _take(
        self,
        build: BuildRecord,
        names: Pseudonyms,
        inputs: Sequence[Input],
        is_all_or_nothing: bool = False,
        is_dry_run: bool = False,
    ) -> Answer:
        checked = store.check(inputs, self._organizations(build), names)
        if is_all_or_nothing and any(one.faults for one in checked):
            checked = [one.withheld(_WITHHELD) for one in checked]
        entries = store.enter(self.conn, checked, names)
        if any(entry.outcome == "accepted" for entry in entries):
            world.catch_up(self._world(build))
        told = store.shown(entries, names)
        given = answer.collect(self.conn, build, told, is_dry_run)
        if entries and not is_dry_run:
            self._record(given)
        return given

    def _record(self, given: Answer) -> None:
        """Note in the trail that records were taken in: one entry, whoever they are."""
        outcomes = ("accepted", "unchanged", "rejected")
        inputs = [entry.input_id for entry in given.entries]
        detail = {outcome: given.count(outcome) for outcome in outcomes}
        detail |= {"first_input_id": min(inputs), "last_input_id": max(inputs)}
        trail.record(
            self.conn,
            "intake",
            "raw.new_patients",
            len(inputs),
            build_id=given.build_id,
            detail=detail,
        )

    def _organizations(self, build: BuildRecord) -> list[str]:
        rows = self.conn.execute(
            f"select org_code from {build.schema}.organizations order by 1".encode()
        )
        return [code for (code,) in rows]

    def _world(self, build: BuildRecord) -> world.World:
        if build.build_id not in self._worlds:
            self._worlds = {build.build_id: world.of(self.conn, build)}
        return self._worlds[build.build_id]


@contextmanager
def intake() -> Iterator[Intake]:
    """Connect, ready to take patients in."""
    with warehouse.connect(autocommit=True) as conn:
        warehouse.prepare(conn)
        yield Intake(conn)
