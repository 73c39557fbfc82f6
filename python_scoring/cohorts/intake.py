"""Taking tables into the warehouse: read, check, set bad rows aside, copy."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import Any

import psycopg
import pyarrow as pa

from python_scoring import warehouse
from python_scoring.cohorts.checks import CheckedBatch, Rule, SeenKeys, check_batch
from python_scoring.cohorts.layout import match_columns
from python_scoring.cohorts.rejects import KEPT_FOR_DISPLAY, Reject, Rejects, unfold
from python_scoring.cohorts.tables import Batch, Table
from python_scoring.cohorts.values import Column, Fault, shown
from python_scoring.identities import vault
from python_scoring.identities.masks import mask
from python_scoring.identities.pseudonyms import Pseudonyms

Cursor = psycopg.Cursor[tuple[Any, ...]]

_WHOLE_LINE = "(whole line)"
_REJECTED_COLUMNS = ("load_id", "file", "line", "column_name", "value", "reason")


@dataclass(frozen=True)
class Target:
    """Where a table's rows go, and what they are checked against.

    Attributes
    ----------
    relation
        Table of the warehouse, `raw.cohort_patients`.
    key
        Columns, by their names in the file, that no two rows may share.
    rule
        Faults between columns.
    is_strict
        Whether columns that are not in the layout are refused.
    brings_people
        Whether its people may be new; else another table of the load has them.
    """

    relation: str
    columns: Sequence[Column]
    key: tuple[str, ...]
    rule: Rule | None = None
    is_strict: bool = True
    brings_people: bool = True


@dataclass
class Intake:
    """The rows of one load on their way in.

    Attributes
    ----------
    at_most
        Bound on the number of rows, by file.
    taken
        Rows copied, by relation.
    names
        What people and claims are called in the warehouse.
    rejected_keys
        First key column of the rejected rows, by file.
    keeps_rejects
        Whether rejected rows are kept in raw.rejected_rows, or shown alone.
    tables
        What was taken, by name: they know in which file a line stands.
    """

    cursor: Cursor
    load_id: int
    org: str
    names: Pseudonyms
    rejects: Rejects
    at_most: Mapping[str, int]
    taken: dict[str, int] = field(default_factory=dict)
    rejected_keys: dict[str, set[str]] = field(default_factory=dict)
    keeps_rejects: bool = True
    tables: dict[str, Table] = field(default_factory=dict)

    def take(self, table: Table, target: Target) -> int:
        """Copy a table's good rows, set its bad ones aside; return the good.

        Raises
        ------
        BadInput
            The file as a whole is not what it should be.
        """
        matched = match_columns(
            table.name,
            table.columns,
            target.columns,
            is_strict=target.is_strict,
            is_masked=self.names.are_on,
        )
        self.rejects.open_file(table.name, self.at_most[table.name])
        self.rejected_keys[table.name] = set()
        self.tables[table.name] = table
        self.taken[target.relation] = 0
        seen = SeenKeys()
        for batch in table.batches([name for name, _ in matched]):
            checked = check_batch(table.name, batch, matched, target.rule)
            self._check_key(target.key, seen, checked)
            self._set_aside(table.name, batch, self._masked(target, checked))
            self._remember_keys(table, batch, checked, target.key[0])
            if not self.rejects.is_hopeless:
                self._copy_good(target, batch, checked)
        return self.taken[target.relation]

    def shown(self, identifier: str) -> str | None:
        """Return how a rejected identifier is shown and stored."""
        return mask(shown(identifier)) if self.names.are_on else shown(identifier)

    def reject(self, rejects: Sequence[Reject]) -> None:
        """Set aside rows that were read as good and turned out to be bad."""
        for reject in rejects:
            self.rejects.count_rows(reject.file, 0, 1)
            self.rejects.count_faults(reject.file, reject.column, reject.reason, 1)
        self._keep_and_write(rejects)

    def _check_key(
        self, key: tuple[str, ...], seen: SeenKeys, checked: CheckedBatch
    ) -> None:
        parts = [checked.parsed[name] for name in key]
        is_repeat = seen.find_repeats(parts, checked.is_bad)
        reason = f"expected each {' and '.join(key)} once; an earlier row has it"
        checked.add(key[0], reason, is_repeat)

    def _masked(self, target: Target, checked: CheckedBatch) -> CheckedBatch:
        """Hide what stands in columns of identifiers, under a key."""
        if not self.names.are_on:
            return checked
        hidden = {column.name for column in target.columns if column.identifies}

        def masked(fault: Fault) -> Fault:
            is_hidden = fault.column in hidden
            return replace(
                fault,
                values=[mask(value) if is_hidden else value for value in fault.values],
            )

        return replace(checked, faults=[masked(fault) for fault in checked.faults])

    def _set_aside(self, file: str, batch: Batch, checked: CheckedBatch) -> None:
        malformed = len(batch.malformed)
        bad = int(checked.is_bad.sum()) + malformed
        self.rejects.count_rows(file, len(batch.lines) + malformed, bad)
        for fault in checked.faults:
            self.rejects.count_faults(file, fault.column, fault.reason, len(fault.rows))
        for line in batch.malformed:
            self.rejects.count_faults(file, _WHOLE_LINE, line.reason, 1)
        self._keep_and_write(
            Reject(file, m.line, _WHOLE_LINE, self.shown(",".join(m.fields)), m.reason)
            for m in batch.malformed
        )
        self._keep_and_write(unfold(file, batch.lines, checked.faults))

    def _remember_keys(
        self, table: Table, batch: Batch, checked: CheckedBatch, key: str
    ) -> None:
        """Remember whose rows were rejected, as far as that can be told."""
        if self.rejects.is_hopeless:
            return
        place = table.columns.index(key) if key in table.columns else len(table.columns)
        whole = checked.given[key].filter(pa.array(checked.is_bad)).to_pylist()
        torn = (m.fields[place] for m in batch.malformed if len(m.fields) > place)
        self.rejected_keys[table.name].update(map(str, [*whole, *torn]))

    def _keep_and_write(self, rejects: Iterable[Reject]) -> None:
        """Keep the first rejects for people; write them all unless all is lost."""
        rejects = map(self._placed, rejects)
        first = list(islice(rejects, KEPT_FOR_DISPLAY))
        self.rejects.keep(r.masked() if self.names.are_on else r for r in first)
        if self.keeps_rejects and first and not self.rejects.is_hopeless:
            self._write_rejects(chain(first, rejects))

    def _placed(self, reject: Reject) -> Reject:
        """Say in which file of a table a row stands."""
        file, line = self.tables[reject.file].place(reject.line)
        return replace(reject, file=file, line=line)

    def _write_rejects(self, rejects: Iterable[Reject]) -> None:
        warehouse.copy_rows(
            self.cursor.connection,
            "raw.rejected_rows",
            (
                (self.load_id, r.file, r.line, r.column, r.value, r.reason)
                for r in rejects
            ),
            _REJECTED_COLUMNS,
        )

    def _copy_good(self, target: Target, batch: Batch, checked: CheckedBatch) -> None:
        values = {"load_id": pa.repeat(self.load_id, len(batch.lines))}
        for column in target.columns:
            if column.target and column.name in checked.parsed:
                values[column.target] = checked.parsed[column.name]
        rows = pa.table(values)
        if checked.is_bad.any():
            rows = rows.filter(pa.array(~checked.is_bad))
        for column in target.columns:
            if column.identifies:
                rows = self._renamed(target, rows, column)
        warehouse.copy_table(self.cursor.connection, target.relation, rows)
        self.taken[target.relation] += len(rows)

    def _renamed(self, target: Target, rows: Any, column: Column) -> Any:
        """Call people and claims what they are called here, and keep the originals."""
        if not self.names.are_on:
            return rows
        given = rows.column(column.target)
        if column.identifies == "claim":
            renamed = self.names.of_claims(given)
        else:
            people: dict[str, str] = {}
            renamed = self.names.of_people(self.org, given, people)
            if target.brings_people:
                vault.remember(self.cursor.connection, self.names, self.org, people)
        place = rows.column_names.index(column.target)
        return rows.set_column(place, column.target, renamed)
