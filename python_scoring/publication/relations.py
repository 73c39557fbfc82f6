"""What the catalogue knows of a schema's tables and views."""

from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from python_scoring.warehouse import Connection, is_duckdb

_COLUMNS = """
select c.relname, c.relkind::text, obj_description(c.oid, 'pg_class'),
    a.attname, format_type(a.atttypid, a.atttypmod), col_description(c.oid, a.attnum)
from pg_class as c
left join pg_attribute as a
    on c.oid = a.attrelid and a.attnum > 0 and not a.attisdropped
where c.relnamespace = to_regnamespace(quote_ident(%(schema)s))
    and (%(name)s::text is null or c.relname = %(name)s)
    and c.relkind in ('r', 'p', 'v', 'm', 'f')
order by c.relname, a.attnum
"""
_COLUMNS_DUCKDB = """
select relations.table_name, relations.kind, relations.comment,
    columns.column_name, columns.data_type, columns.comment
from (
    select database_name, schema_name, table_name, 'r' as kind, comment
    from duckdb_tables()
    union all
    select database_name, schema_name, view_name, 'v', comment from duckdb_views()
) as relations
left join duckdb_columns() as columns
    using (database_name, schema_name, table_name)
where relations.database_name = current_database()
    and relations.schema_name = %(schema)s
    and (%(name)s is null or relations.table_name = %(name)s)
order by relations.table_name, columns.column_index
"""


@dataclass(frozen=True)
class Column:
    """A column's type, as SQL writes it, and its comment."""

    data_type: str
    comment: str | None = None


@dataclass(frozen=True)
class Relation:
    """A table (`r`, `p`) or a view (`v`, `m`), with its columns in order."""

    kind: str
    comment: str | None = None
    columns: dict[str, Column] = field(default_factory=dict)


def relations(
    conn: Connection, schema: str, only: str | None = None
) -> dict[str, Relation]:
    """Tables and views of a schema by name, in order of their names; or one of them."""
    found: dict[str, Relation] = {}
    query = _COLUMNS_DUCKDB if is_duckdb(conn) else _COLUMNS
    for name, kind, comment, column, data_type, described in conn.execute(
        query.encode(), {"schema": schema, "name": only}
    ):
        relation = found.setdefault(name, Relation(kind, comment))
        if column is not None:
            relation.columns[column] = Column(data_type, described)
    return found


def drop_all(conn: Connection, schema: str) -> None:
    """Drop a schema of ours with its tables and views, and nothing of others.

    Raises
    ------
    psycopg.errors.DependentObjectsStillExist
        Somebody has built on them; nothing is dropped where it stands alone in its
        transaction.
    """
    found = {} if is_duckdb(conn) else relations(conn, schema)
    for kinds, statement in (("v", "drop view {}"), ("rp", "drop table {}")):
        mine = [
            sql.Identifier(schema, name)
            for name, relation in found.items()
            if relation.kind in kinds
        ]
        if mine:
            conn.execute(sql.SQL(statement).format(sql.SQL(", ").join(mine)))
    # DuckDB does not ask who depends on a schema's tables, and drops them one by one.
    drop = sql.SQL("drop schema if exists {}" + " cascade" * is_duckdb(conn))
    conn.execute(drop.format(sql.Identifier(schema)))


def who_depends(error: psycopg.errors.DependentObjectsStillExist) -> str:
    """Say on one line what keeps a relation from being dropped."""
    return (error.diag.message_detail or str(error)).replace("\n", "; ")


def columns_of(conn: Connection, schema: str, name: str) -> dict[str, Column]:
    """Columns of one relation; none where it is not there."""
    relation = relations(conn, schema, name).get(name)
    return relation.columns if relation else {}
