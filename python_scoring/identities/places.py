"""Where identifiers may stand in the database: the catalogue knows."""

from dataclasses import dataclass

from psycopg import sql

from python_scoring.errors import BadInput
from python_scoring.warehouse import Connection

# What the warehouse's tables call a person.
_NAMES = ("external_id", "desynpuf_id")

_PLACES = r"""
select n.nspname, c.relname, a.attname,
    exists (
        select from pg_catalog.pg_attribute as o
        where o.attrelid = c.oid and o.attname = 'org_code' and not o.attisdropped
    ),
    exists (
        select from pg_catalog.pg_attribute as o
        where o.attrelid = c.oid and o.attname = 'load_id' and not o.attisdropped
    ),
    to_regclass(format('%%I.int_cohort_loads', n.nspname)) is not null
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
inner join pg_catalog.pg_attribute as a on c.oid = a.attrelid
where c.relkind in ('r', 'p') and not c.relispartition
    and a.attname = any(%s::text[]) and not a.attisdropped
    -- the seed: synthetic people, who keep their names
    and c.relname not in ('baseline_patients', 'baseline_outcomes')
    and n.nspname not like 'pg\_%%' and n.nspname <> 'information_schema'
order by 1, 2, 3
"""


@dataclass(frozen=True)
class Place:
    """A column that holds what people are called."""

    schema: str
    table: str
    column: str
    has_org: bool
    has_load: bool
    has_loads: bool

    @property
    def name(self) -> str:
        """The table's name with its schema."""
        return f"{self.schema}.{self.table}"

    @property
    def relation(self) -> sql.Identifier:
        """The table, to be used in a statement."""
        return sql.Identifier(self.schema, self.table)

    def organizations(self) -> sql.Composable:
        """Return (load_id, org_code) of the loads that the table's rows are of.

        Raises
        ------
        BadInput
            Nothing says whose rows they are.
        """
        if self.schema == "raw":
            return sql.SQL("select load_id, org_code from raw.loads")
        if not self.has_load or not self.has_loads:
            raise BadInput(
                f"{self.name} holds identifiers, and nothing there says of which "
                "organization; expected no such table: drop it and build it again"
            )
        loads = sql.Identifier(self.schema, "int_cohort_loads")
        return sql.SQL("select load_id, org_code from {}").format(loads)


def find(conn: Connection) -> list[Place]:
    """Find every table with a column of identifiers, whoever made it."""
    rows = conn.execute(_PLACES.encode(), (list(_NAMES),)).fetchall()
    return [Place(*row) for row in rows]
