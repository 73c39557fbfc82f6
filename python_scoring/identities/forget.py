"""`riskmart forget`: from the first row that goes to the proof that none is left."""

from collections.abc import Callable
from dataclasses import dataclass

from python_scoring import pipeline, turns
from python_scoring.errors import BadInput, GateFailed, RiskmartError
from python_scoring.identities import forgetting, rewriting, scan
from python_scoring.identities.forgetting import Deleted
from python_scoring.identities.scan import Person, Scan
from python_scoring.publication import builds, retention
from python_scoring.warehouse import Connection

_NOT_COVERED = (
    "Not covered: backups and archives of the server's log, which hold what they held; "
    "files that were loaded, and what readers took out; a model that learnt from them "
    "(`riskmart train`). Loading them again makes them a new patient."
)


@dataclass(frozen=True)
class Forgotten:
    """What was deleted, what took its place, where was looked, and what to know."""

    deleted: Deleted
    build_id: int
    dropped: list[int]
    scan: Scan
    notes: list[str]


def forget(
    conn: Connection,
    *,
    patient_uuid: str | None = None,
    org_code: str = "",
    external_id: str = "",
    reason: str,
    on_step: Callable[[str], None] | None = None,
) -> Forgotten:
    """Delete a person, build and publish without them, and drop the builds before.

    Parameters
    ----------
    conn
        In autocommit mode.

    Raises
    ------
    BadInput
        There is no such person or no reason, or they are of the baseline seed.
    GateFailed
        Something of them is left, as where somebody reads a build of before; the same
        command again goes on.
    """
    if not reason.strip():
        raise BadInput("no reason; expected one: it goes into the audit log")
    tell = on_step or (lambda step: None)
    with turns.take("forgetting", tell=tell):
        person = forgetting.find(conn, patient_uuid, org_code, external_id)
        tell("deleting")
        deleted = forgetting.delete(conn, person, reason.strip())
        notes = rewriting.rewrite(conn, deleted.tables)
    done = _build(person.patient_uuid, on_step)
    tell("dropping earlier builds")
    before = [build.build_id for build in builds.retired(conn)]
    notes += retention.drop_old(conn, keep=0)
    kept = {build.build_id for build in builds.retired(conn)}
    tell("looking for what is left")
    names = [name for name in (person.called, person.original) if name]
    found = scan.look(conn, Person(names, person.patient_uuid, person.patient_id))
    _check(person.patient_uuid, found, notes)
    dropped = [build_id for build_id in before if build_id not in kept]
    return Forgotten(deleted, done, dropped, found, [*notes, _NOT_COVERED])


def _build(patient_uuid: str, on_step: Callable[[str], None] | None) -> int:
    try:
        done = pipeline.build(on_step=on_step)
    except RiskmartError as error:
        raise type(error)(
            f"{error}\nPatient {patient_uuid} is deleted from raw, and readers' builds "
            "still hold them; `riskmart forget` with this patient_uuid goes on"
        ) from None
    assert done.build_id is not None
    return done.build_id


def _check(patient_uuid: str, found: Scan, notes: list[str]) -> None:
    if not found.traces:
        return
    left = "\n".join(
        f"  {trace.relation}.{trace.column}: {trace.rows:,} rows"
        for trace in found.traces
    )
    why = "".join(f"\n{note}" for note in notes)
    raise GateFailed(
        f"patient {patient_uuid} is not forgotten yet; left in\n{left}{why}\n"
        "`riskmart forget` with this patient_uuid goes on; a schema that is not of "
        "riskmart (as dev_<user>_...) is for its owner to drop"
    )
