"""What the warehouse holds, in words."""

import csv
import io
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from python_scoring import config
from python_scoring.access import catalogue, protection
from python_scoring.errors import BadInput
from python_scoring.identities import status as identities
from python_scoring.publication import builds
from python_scoring.tables import query_table
from python_scoring.warehouse import Connection, is_duckdb

if TYPE_CHECKING:
    # Heavy to import, and `status` or `sql` should answer at once.
    from collections.abc import Sequence

    from python_scoring.backup import Backup
    from python_scoring.cohorts.enrolments import EnrolmentResult
    from python_scoring.cohorts.loads import LoadResult, Removed
    from python_scoring.publication.diff import MartDiff, Sides
    from python_scoring.publication.publish import Publication
    from python_scoring.readmission.evaluate import EvaluateResult
    from python_scoring.readmission.train import TrainResult
    from python_scoring.restore import Restored

_BUILDS = """
select build_id, status, date_trunc('second', started_at) as started_at,
    round(extract(epoch from finished_at - started_at)::numeric, 1) as seconds,
    built_by, test_count as tests, left(failures, 60) as failures
from raw.builds
order by build_id desc
limit 10
"""
_LOADS = """
select load_id, source, purpose, org_code, as_of_date, row_count, rejected_count,
    date_trunc('second', loaded_at) as loaded_at
from raw.loads
order by load_id
"""
_MODELS = """
select model_version, target, is_champion, training_rows,
    date_trunc('second', trained_at) as trained_at
from raw.model_registry
order by trained_at
"""
_EVALUATIONS = """
select *
from (
    select distinct on (evaluations.org_code, evaluations.as_of_date, load_id)
        evaluations.org_code, evaluations.as_of_date, evaluations.status,
        evaluations.patient_count, evaluations.reason
    from raw.evaluations
    inner join raw.model_registry using (target, model_version)
    where is_champion
    order by
        evaluations.org_code, evaluations.as_of_date, load_id, evaluation_id desc
) as latest
order by org_code, as_of_date
"""
_BATCHES = """
select batch_id, target, model_version, row_count,
    date_trunc('second', scored_at) as scored_at
from raw.prediction_batches
order by batch_id desc
limit 10
"""
_NEW_PATIENTS = """
select coalesce(outcome, 'waiting for serve-intake') as outcome,
    count(*) as records, date_trunc('second', max(received_at)) as last_received_at
from raw.new_patient_raw_input
group by outcome
order by 1
"""

_AFTER_REMOVAL = {
    "cohort": "`riskmart build` takes them out of the marts; the latest cohort that "
    "is left becomes the current one.",
    "training": "The model in force stays; the next training leaves them out.",
}


def show(console: Console, conn: Connection) -> None:
    """Print what readers see, the candidate, builds, loads, models and their work."""
    console.print(f"Warehouse: {config.describe()}")
    console.print(readers_have(conn))
    unprotected = protection.why_off(conn)
    if unprotected:
        console.print(f"[yellow]warning[/] {unprotected}")
    current = builds.published(conn)
    bare = catalogue.unprotected(conn, current.schema) if current else []
    if bare:
        console.print(
            f"[red]warning[/] what readers have is not under row-level security "
            f"({', '.join(bare[:5])}, ...); run `riskmart build`"
        )
    console.print(identities.in_a_line(conn), soft_wrap=True)
    for title, query in (
        ("Builds, latest first", _BUILDS),
        ("Loads", _LOADS),
        ("New patients", _NEW_PATIENTS),
        ("Models", _MODELS),
        ("The model in force, judged on", _EVALUATIONS),
        ("Scoring runs, latest first", _BATCHES),
    ):
        cursor = conn.execute(query.encode())
        rows = cursor.fetchall()
        if rows:
            columns = [column.name for column in cursor.description or []]
            console.print(query_table(columns, rows, title))
        else:
            console.print(f"{title}: none")


def readers_have(conn: Connection) -> str:
    """Say which build readers see, and what else is there."""
    current, candidate = builds.published(conn), builds.candidate(conn)
    parts = ["Readers see nothing yet."]
    if current and current.published_at:
        when = f"{current.published_at:%Y-%m-%d %H:%M}"
        parts = [f"Readers see build {current.build_id}, published {when}."]
        earlier = builds.before(conn, current)
        if earlier:
            parts.append(f"`riskmart publish --rollback` goes to {earlier.build_id}.")
    if candidate:
        failed = ", which failed," if candidate.status == "failed" else ""
        schema = builds.candidate_schema(conn, candidate.build_id)
        parts.append(f"Build {candidate.build_id}{failed} is in schema {schema}.")
        if not is_duckdb(conn):
            parts[-1] = parts[-1][:-1] + "; `riskmart diff` shows what it changes."
    return " ".join(parts)


def show_publication(console: Console, done: "Publication") -> None:
    """Print what readers see now, and which old builds had to stay."""
    swapped = done.swapped
    instead = f" instead of build {swapped.previous}" if swapped.previous else ""
    console.print(
        f"Readers see build {swapped.build_id}{instead}: {swapped.name_count} names "
        f"swapped in {1000 * swapped.seconds:.0f} ms, attempt {swapped.attempts}."
    )
    _show_notes(console, done.stayed)


def show_backup(console: Console, made: "Backup") -> None:
    """Print where a backup is, what it holds, and which older ones went."""
    console.print(
        f"Backed up {made.rows:,} rows of {made.tables} tables and {made.models} "
        f"models, {made.bytes / 1024**2:,.1f} MiB: {made.folder}"
    )
    for old in made.deleted:
        console.print(f"Deleted {old}, more than are kept.")
    _show_notes(console, made.notes)


def show_restored(console: Console, restored: "Restored") -> None:
    """Print what is in force again, and what became of what was there."""
    console.print(
        f"Restored {restored.rows:,} rows of {restored.tables} tables and "
        f"{restored.models} models, as of {restored.made_at:%Y-%m-%d %H:%M} UTC."
    )
    if restored.kept_as:
        console.print(f"What was there is in database {restored.kept_as}.")
    _show_notes(console, restored.notes)


def _show_notes(console: Console, notes: "Sequence[str]") -> None:
    for note in notes:
        console.print(f"[yellow]warning[/] {escape(note)}", soft_wrap=True)


def show_diff(
    console: Console,
    chosen: "Sides",
    marts: "list[MartDiff]",
    migration: list[tuple[str, int, int, int]],
) -> None:
    """Print rows added, removed and changed by mart, and who changed tier."""
    new, old = chosen.new, chosen.old
    title = (
        f"Build {new.build_id} ({new.status}) against build {old.build_id} "
        f"({old.status})"
    )
    columns = ["mart", "added", "removed", "changed", "columns"]
    rows = [(d.mart, d.added, d.removed, d.changed, d.columns) for d in marts]
    console.print(query_table(columns, rows, title))
    if new.failures:
        console.print(f"Failed: {escape(new.failures)}", soft_wrap=True)
    if not migration:
        console.print("Nobody changes tier.")
        return
    moves = ["window", "tier before", "tier now", "patients"]
    console.print(query_table(moves, migration, "Who changes tier"))


def show_load(
    console: Console, result: "LoadResult", *, is_built: bool = False
) -> None:
    """Print what a load did, and the first rows that it rejected.

    Parameters
    ----------
    is_built
        Whether a build follows anyway.
    """
    whose = f"{result.org} as of {result.as_of} (load {result.load_id})"
    if result.unchanged:
        console.print(f"Nothing to do: {whose} is already loaded, with this content.")
        _show_notes(console, result.warnings)
        return
    whom = "beneficiaries" if result.source == "cms" else "people"
    console.print(f"Loaded {result.rows:,} {whom} for {whose}.")
    if result.source == "cms":
        console.print("Those who died on or before that day stay out of the marts.")
    if result.replaced_rows is not None:
        console.print(f"They replace {result.replaced_rows:,} of an earlier load.")
    if result.rejected:
        console.print(f"{result.rejected:,} rows rejected, kept in raw.rejected_rows:")
        for reject in result.rejects:
            console.print(f"  {escape(str(reject))}")
    if not result.has_outcomes:
        console.print("What happened in the 90 days after is not known.")
    _show_notes(console, result.warnings)
    if not is_built:
        console.print("`riskmart build` brings them to the marts.")


def show_enrolments(console: Console, result: "EnrolmentResult") -> None:
    """Print what a file of enrolments changed, and what it should not have said."""
    whose = f"{result.programme} at {result.org}"
    if result.load_id is None:
        console.print(
            f"Nothing to do: all {result.rows:,} enrolments in {whose} are known."
        )
    else:
        console.print(
            f"Enrolments in {whose}: {result.added:,} new, {result.changed:,} with "
            f"another last day, {result.removed:,} taken out."
        )
    if result.rejected:
        console.print(f"{result.rejected:,} rows rejected, and not kept:")
        for reject in result.rejects:
            console.print(f"  {escape(str(reject))}")
    _show_notes(console, result.warnings)
    if result.load_id is not None:
        console.print("`riskmart build` brings them to marts.programme_results.")


def show_removal(console: Console, removed: "Removed") -> None:
    """Print what went with a load, and how the marts follow."""
    console.print(
        f"Removed load {removed.load_id}: {removed.rows:,} people of {removed.org} as "
        f"of {removed.as_of} ({removed.source}, {removed.purpose})."
    )
    for table, rows in removed.tables.items():
        console.print(f"  {table}: {rows:,} rows")
    console.print(_AFTER_REMOVAL[removed.purpose])


def show_training(console: Console, result: "TrainResult") -> None:
    """Print which model is in force now, and how it did out of fold."""
    if result.is_unchanged:
        console.print(f"{result.model_version} is in force already; nothing changed.")
    else:
        console.print(f"{result.model_version} is in force.")
    kind = (
        "synthetic people: figures test software" if result.is_synthetic else "people"
    )
    console.print(f"Trained on {result.rows:,} rows of {result.patients:,} {kind}.")
    for days, figures in result.metrics["horizons"].items():
        console.print(
            f"  {days} days: AUROC {figures['auroc']:.3f}, "
            f"Brier {figures['brier']:.3f}, {figures['events']:,} events (out of fold)"
        )
    for hazard, kind in result.chosen.items():
        console.print(f"  {hazard}: {kind.replace('_', ' ')}")
    console.print("All candidates' figures: marts.model_candidates, after a build.")


def show_evaluation(console: Console, result: "EvaluateResult") -> None:
    """Print on whom the model was judged, and on whom it could not be."""
    for verdict in result.evaluated:
        whom = f"{verdict.org_code} as of {verdict.as_of_date}"
        what = "evaluated" if verdict.is_new else "evaluated before, nothing new"
        console.print(f"{whom}: {what}, {verdict.patients:,} people")
    show_not_evaluated(console, result)
    console.print(
        f"The figures of {result.model_version} are in `marts.model_metrics` and "
        "beside it after `riskmart build`."
    )


def show_not_evaluated(console: Console, result: "EvaluateResult") -> None:
    """Print on whom the model could not be judged, and why."""
    for verdict in result.not_evaluated:
        whom = f"{verdict.org_code} as of {verdict.as_of_date}"
        reason = escape(verdict.reason or "")
        console.print(f"{whom}: [yellow]not evaluated[/], {reason}")


def show_query(console: Console, conn: Connection, query: str, *, as_csv: bool) -> int:
    """Run a statement and print its rows as a table or as CSV; return how many.

    Raises
    ------
    BadInput
        There is no statement in it.
    """
    cursor = conn.execute(query.encode())
    if cursor.statusmessage is None:
        raise BadInput("sql: nothing to run; expected an SQL statement")
    if cursor.description is None:
        console.print(cursor.statusmessage)
        return 0
    columns = [column.name for column in cursor.description]
    rows = cursor.fetchall()
    if as_csv:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
        print(text.getvalue(), end="")
    else:
        console.print(query_table(columns, rows))
    return len(rows)
