"""What became of new patients, for people and for programs."""

import json
import sys
import traceback
from typing import Any

from rich.console import Console
from rich.markup import escape

from python_scoring.intake.answer import Answer
from python_scoring.intake.store import Entry
from python_scoring.tables import make_table

_MOST_SHOWN = 20


def show_json(content: dict[str, Any]) -> None:
    """Print JSON, and nothing else."""
    print(json.dumps(content, indent=2))


def show(console: Console, answer: Answer) -> None:
    """Print each of a few patients, or the count of many; and every fault."""
    told = [entry for entry in answer.entries if entry.person]
    for entry in told[:_MOST_SHOWN]:
        _show_patient(console, answer, entry)
    if len(told) > _MOST_SHOWN:
        console.print(f"... and {len(told) - _MOST_SHOWN:,} more; --json has them all")
    _show_faults(console, answer)
    would = " would be" if answer.is_dry_run else ""
    console.print(
        f"{answer.count('accepted'):,}{would} accepted, "
        f"{answer.count('unchanged'):,} unchanged, "
        f"{answer.count('rejected'):,} rejected; build {answer.build_id}."
        + (" Nothing was changed (--dry-run)." if answer.is_dry_run else "")
    )


def show_line(console: Console, answer: Answer) -> None:
    """Print one line for each record, without anybody's identifier."""
    for entry in answer.entries:
        faults = "; ".join(
            _words(fault.field, fault.expected) for fault in entry.faults
        )
        console.print(escape(f"{entry.input_id} {entry.outcome} {faults}".rstrip()))


def complain(error: Exception) -> None:
    """Print where a fault of ours was, without its words.

    They may hold what a record says of somebody, and a service's output is kept.
    """
    traceback.print_tb(error.__traceback__)
    state = getattr(error, "sqlstate", None)
    what = f"{type(error).__name__} ({state})" if state else type(error).__name__
    print(f"{what}: a record could not be taken in and is rejected", file=sys.stderr)


def _show_patient(console: Console, answer: Answer, entry: Entry) -> None:
    assert entry.person is not None
    patient = answer.people.get(entry.person)
    if patient is None:
        return
    console.print(
        escape(
            f"{patient['external_id']} ({patient['org_code']}, {entry.outcome}): "
            f"{patient['department_name']}, "
            f"patient {patient['patient_uuid'] or 'not registered'}"
        )
    )
    if not answer.counts(entry):
        console.print(
            f"The record of {patient['index_date']} counts, a later day than "
            f"{entry.index_date}; this one is kept."
        )
    table = make_table(None, ["Window", "Tier"], ["Risk %", "Net $", "ROI %", "List"])
    table.add_column("Why", overflow="fold")
    for window, row in patient["windows"].items():
        above = row["above_in_target_list"]
        table.add_row(
            window,
            row["tier_name"],
            f"{100 * row['risk_score']:.1f}",
            f"{row['net_benefit']:,.0f}",
            f"{row['roi_percent']:,.0f}",
            "not on it" if above is None else f"{above:,} above",
            escape("; ".join(row["reasons"])),
        )
    console.print(table)


def _show_faults(console: Console, answer: Answer) -> None:
    rejected = [entry for entry in answer.entries if entry.faults]
    if not rejected:
        return
    table = make_table("Faults", ["Record", "Field"], [])
    table.add_column("Value", overflow="fold")
    table.add_column("Expected", overflow="fold")
    for entry in rejected:
        for fault in entry.faults:
            words = (fault.field or "", fault.value or "", fault.expected)
            table.add_row(str(entry.position), *map(escape, words))
    console.print(table)


def _words(field: str | None, expected: str) -> str:
    return f"{field}: expected {expected}" if field else expected
