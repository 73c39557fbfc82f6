"""Chains to tamper with: entries of months gone by, written past all protection."""

from psycopg.types.json import Jsonb

from python_scoring.audit import store
from python_scoring.audit.chain import NOTHING, Entry, digest
from python_scoring.warehouse import Connection

_INSERT = """
insert into audit.audit_log
select entry_id, at::timestamptz, who, role, os_user, program, action, object,
    row_count::bigint, build_id::bigint, detail::jsonb, previous_hash, hash
from jsonb_to_record(%s::jsonb) as entry (
    entry_id bigint, at text, who text, role text, os_user text, program text,
    action text, object text, row_count text, build_id text, detail text,
    previous_hash text, hash text
)
"""


def add_months(conn: Connection, months: dict[str, int]) -> list[Entry]:
    """Begin a chain with so many entries in each of these months."""
    entries: list[Entry] = []
    previous = NOTHING
    for month, count in months.items():
        day = f"{month}-01"
        conn.execute("select audit.make_partition(%s::date)", (day,))
        conn.execute(
            "insert into audit.anchors values (%s::date, %s, %s)",
            (day, len(entries) + 1, previous),
        )
        for second in range(count):
            at = f"{day}T00:00:{second:02d}.000000Z"
            entry = Entry(
                *(len(entries) + 1, at, "somebody", "somebody", None, None),
                *("load", "load 1", "3", None, '{"a": 1}', previous, ""),
            )
            entry = entry._replace(hash=digest(entry))
            _insert(conn, entry)
            entries.append(entry)
            previous = entry.hash
    # Their keeper's, as those that the trail makes by itself.
    store.hand_over(conn)
    return entries


def _insert(conn: Connection, entry: Entry) -> None:
    conn.execute(_INSERT.encode(), (Jsonb(entry._asdict()),))


def tamper(conn: Connection, statement: str) -> None:
    """Do what only somebody can who may do anything, triggers switched off."""
    tables = [
        name
        for (name,) in conn.execute(
            "select oid::regclass::text from pg_class"
            " where relnamespace = 'audit'::regnamespace and relkind in ('r', 'p')"
        )
    ]
    with conn.transaction():
        for name in tables:
            conn.execute(f"alter table {name} disable trigger append_only".encode())
        conn.execute(statement.encode())
        for name in tables:
            conn.execute(
                f"alter table {name} enable always trigger append_only".encode()
            )


def actions(conn: Connection) -> list[str]:
    """What was done, in order."""
    found = conn.execute("select action from audit.audit_log order by entry_id")
    return [action for (action,) in found]
