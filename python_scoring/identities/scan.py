"""Whether anything of a person is in the database: every relation is asked."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from psycopg import sql

from python_scoring.warehouse import Connection

# A shorter identifier stands by chance in other words: alone or in quotes it counts.
_SURE_LENGTH = 6
_TEXT = ("text", "character varying", "character", "name", "json", "jsonb")

# The trail is kept: it holds uuids, and no identifiers.
_COLUMNS = r"""
select n.nspname, c.relname, a.attname,
    pg_catalog.format_type(coalesce(nullif(t.typelem, 0), t.oid), null), t.typelem <> 0
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
inner join pg_catalog.pg_attribute as a on c.oid = a.attrelid
inner join pg_catalog.pg_type as t on a.atttypid = t.oid
where c.relkind in ('r', 'm') and a.attnum > 0 and not a.attisdropped
    and n.nspname not like 'pg\_%' and n.nspname not in ('information_schema', 'audit')
order by 1, 2, a.attnum
"""


@dataclass(frozen=True)
class Person:
    """What may be left of somebody: names in text, uuid, and number."""

    texts: Sequence[str]
    patient_uuid: str | None = None
    patient_id: int | None = None


@dataclass(frozen=True)
class Trace:
    """Rows in which something was found."""

    relation: str
    column: str
    rows: int


@dataclass(frozen=True)
class Scan:
    """Where was looked, and what was found."""

    relations: int
    columns: list[str]
    traces: list[Trace]


def look(conn: Connection, person: Person) -> Scan:
    """Look for a person in every column of every table that could hold one.

    Text, JSON and bytes are searched for names and uuid, columns of uuids for the uuid,
    and every ``patient_id`` for the number. What is encrypted says nothing.
    """
    columns: list[str] = []
    traces: list[Trace] = []
    relations = 0
    given = _given(person)
    for (schema, table), rows in _columns(conn):
        wanted = [
            (column, condition)
            for *_, column, kind, is_list in rows
            if (condition := _condition(person, column, kind, is_list))
        ]
        if not wanted:
            continue
        relations += 1
        name = f"{schema}.{table}"
        columns += [f"{name}.{column}" for column, _ in wanted]
        query = _query(schema, table, [condition for _, condition in wanted])
        counts = conn.execute(query, given).fetchone()
        assert counts is not None
        traces += [
            Trace(name, column, count)
            for (column, _), count in zip(wanted, counts, strict=True)
            if count
        ]
    return Scan(relations, columns, traces)


def _columns(conn: Connection) -> Iterator[tuple[Any, Iterator[tuple[Any, ...]]]]:
    found = conn.execute(_COLUMNS.encode()).fetchall()
    return groupby(found, itemgetter(0, 1))


def _given(person: Person) -> dict[str, Any]:
    """Bind what is looked for: a statement's own text is seen by others."""
    given: dict[str, Any] = {"uuid": person.patient_uuid, "id": person.patient_id}
    for place, one in enumerate(_spelled(person)):
        given |= {
            f"text_{place}": one,
            f"quoted_{place}": f'"{one}"',
            f"alone_{place}": _alone(one),
            f"bytes_{place}": one.encode(),
            f"alone_bytes_{place}": _alone(_escaped(one)),
        }
    return given


def _query(
    schema: str, table: str, conditions: Sequence[sql.Composable]
) -> sql.Composed:
    counts = (sql.SQL("count(*) filter (where {})").format(c) for c in conditions)
    return sql.SQL("select {} from {}").format(
        sql.SQL(", ").join(counts), sql.Identifier(schema, table)
    )


def _condition(
    person: Person, column: str, kind: str, is_list: bool
) -> sql.Composable | None:
    """Return when a column holds something of the person; None where it cannot."""
    name = sql.Identifier(column)
    if kind in _TEXT:
        found = [
            _in_text(name, place, is_sure=len(one) >= _SURE_LENGTH)
            for place, one in enumerate(_spelled(person))
        ]
        return sql.SQL("({})").format(sql.SQL(" or ").join(found))
    if kind == "bytea" and not is_list:
        found = [
            sql.SQL(
                "(position({}::bytea in {name}) > 0"
                " and encode({name}, 'escape') ~ {}::text)"
            ).format(
                sql.Placeholder(f"bytes_{place}"),
                sql.Placeholder(f"alone_bytes_{place}"),
                name=name,
            )
            for place, one in enumerate(_spelled(person))
            if len(one) >= _SURE_LENGTH
        ]
        return sql.SQL("({})").format(sql.SQL(" or ").join(found)) if found else None
    if kind == "uuid" and not is_list and person.patient_uuid:
        return sql.SQL("{} = {}::uuid").format(name, sql.Placeholder("uuid"))
    if column == "patient_id" and person.patient_id is not None:
        return sql.SQL("{} = {}::bigint").format(name, sql.Placeholder("id"))
    return None


def _in_text(name: sql.Identifier, place: int, *, is_sure: bool) -> sql.Composable:
    text = sql.SQL("cast({} as text)").format(name)
    if is_sure:
        # The first is fast, and finds longer words that it is a part of.
        return sql.SQL("(strpos({text}, {}::text) > 0 and {text} ~ {}::text)").format(
            sql.Placeholder(f"text_{place}"),
            sql.Placeholder(f"alone_{place}"),
            text=text,
        )
    return sql.SQL("strpos({}, {}::text) > 0 or {} = {}::text").format(
        *(text, sql.Placeholder(f"quoted_{place}")),
        *(text, sql.Placeholder(f"text_{place}")),
    )


def _alone(one: str) -> str:
    """Return the regular expression of a word that is no part of a longer one."""
    literal = "".join(c if c.isalnum() else f"\\{c}" for c in one)
    return f"(^|[^[:alnum:]]){literal}($|[^[:alnum:]])"


def _escaped(one: str) -> str:
    """Spell bytes as PostgreSQL's `escape` format does."""
    spelled = (
        "\\\\" if b == 92 else chr(b) if 0 < b < 128 else f"\\{b:03o}"
        for b in one.encode()
    )
    return "".join(spelled)


def _spelled(person: Person) -> list[str]:
    """Names as they are, and as JSON spells them."""
    names = [*person.texts, *filter(None, [person.patient_uuid])]
    spelled = [
        spelling
        for one in names
        for spelling in (one, _in_json(one, True), _in_json(one, False))
    ]
    return list(dict.fromkeys(spelled))


def _in_json(one: str, is_ascii: bool) -> str:
    return json.dumps(one, ensure_ascii=is_ascii)[1:-1]
