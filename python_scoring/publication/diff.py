"""What a build would change for readers, mart by mart, against the one they have."""

from dataclasses import dataclass

from psycopg import sql

from python_scoring.errors import BadInput
from python_scoring.publication import builds
from python_scoring.publication.builds import CANDIDATE_SCHEMA, BuildRecord
from python_scoring.publication.names import BUILD_ID
from python_scoring.publication.relations import Relation, relations
from python_scoring.warehouse import Connection

_KEY = """
select a.attname
from pg_index as i
cross join unnest(i.indkey) with ordinality as k (attnum, place)
inner join pg_attribute as a on i.indrelid = a.attrelid and k.attnum = a.attnum
where i.indisprimary and i.indrelid = to_regclass(%s)
order by k.place
"""
_COMPARE = """
select
    count(*) filter (where old_rows.{first} is null),
    count(*) filter (where new_rows.{first} is null),
    count(*) filter (
        where old_rows.{first} is not null and new_rows.{first} is not null
            and {differs}
    )
from {new} as new_rows
full outer join {old} as old_rows on {same_key}
"""


@dataclass(frozen=True)
class Sides:
    """Two builds and where their tables are."""

    new: BuildRecord
    new_schema: str
    old: BuildRecord


@dataclass(frozen=True)
class MartDiff:
    """Rows of one mart by what became of them, and what became of its columns."""

    mart: str
    added: int
    removed: int
    changed: int
    columns: str = ""


def sides(conn: Connection) -> Sides:
    """Choose what to compare: the candidate with the published build.

    Without a candidate, the published build with the one before it.

    Raises
    ------
    BadInput
        There are no two builds to compare.
    """
    candidate, current = builds.candidate(conn), builds.published(conn)
    if candidate and current:
        return Sides(candidate, CANDIDATE_SCHEMA, current)
    earlier = builds.before(conn, current) if current else None
    if current and earlier:
        return Sides(current, current.schema, earlier)
    raise BadInput(
        "diff: expected a candidate and a published build, or two builds that were "
        "published; `riskmart status` lists what there is"
    )


def compare(conn: Connection, chosen: Sides) -> list[MartDiff]:
    """Compare all marts that either side has, but for the record of builds.

    Rows are matched by primary key; columns that tell of the run (`build_id`,
    `*_at`) count for nothing.
    """
    new = _tables(conn, chosen.new_schema)
    old = _tables(conn, chosen.old.schema)
    return [
        _compare(conn, chosen, mart, new.get(mart), old.get(mart))
        for mart in sorted((set(new) | set(old)) - {builds.MART})
    ]


def _tables(conn: Connection, schema: str) -> dict[str, Relation]:
    """Leave out the views: what they show is in tables that are compared."""
    found = relations(conn, schema)
    return {name: found[name] for name in found if found[name].kind != "v"}


def _compare(
    conn: Connection,
    chosen: Sides,
    mart: str,
    new: Relation | None,
    old: Relation | None,
) -> MartDiff:
    if new is None or old is None:
        schema = chosen.new_schema if new else chosen.old.schema
        rows = _count(conn, sql.Identifier(schema, mart))
        if new:
            return MartDiff(mart, rows, 0, 0, "a new mart")
        return MartDiff(mart, 0, rows, 0, "not in this build")
    key = _key(conn, chosen, mart)
    if not key or not _have_alike(key, new, old):
        return MartDiff(mart, 0, 0, 0, "no common key to match rows by")
    row = conn.execute(_comparison(chosen, mart, new, old, key)).fetchone()
    assert row is not None
    came = [f"+{column}" for column in new.columns if column not in old.columns]
    went = [f"-{column}" for column in old.columns if column not in new.columns]
    other = [
        f"{column} {old.columns[column].data_type} -> {new.columns[column].data_type}"
        for column in new.columns
        if column in old.columns and not _have_alike([column], new, old)
    ]
    added, removed, changed = row
    return MartDiff(mart, added, removed, changed, ", ".join(came + went + other))


def _have_alike(columns: list[str], new: Relation, old: Relation) -> bool:
    """Whether both have these columns, of one type."""
    return all(
        column in new.columns
        and column in old.columns
        and new.columns[column].data_type == old.columns[column].data_type
        for column in columns
    )


def _key(conn: Connection, chosen: Sides, mart: str) -> list[str]:
    """Columns of the primary key; a run that broke off had not come to its own."""
    for schema in (chosen.new_schema, chosen.old.schema):
        name = sql.Identifier(schema, mart).as_string()
        key = [column for (column,) in conn.execute(_KEY.encode(), (name,))]
        if key:
            return key
    return []


def _comparison(
    chosen: Sides, mart: str, new: Relation, old: Relation, key: list[str]
) -> sql.Composed:
    compared = [
        column
        for column in new.columns
        if _have_alike([column], new, old)
        and column not in key
        and not _is_of_the_run(column)
        and new.columns[column].data_type != "json"
    ]
    return sql.SQL(_COMPARE).format(
        first=sql.Identifier(key[0]),
        differs=_pairs(compared, " or ", "is distinct from"),
        same_key=_pairs(key, " and ", "="),
        new=sql.Identifier(chosen.new_schema, mart),
        old=sql.Identifier(chosen.old.schema, mart),
    )


def _pairs(columns: list[str], glue: str, operator: str) -> sql.Composable:
    pairs = [
        sql.SQL("new_rows.{0} {1} old_rows.{0}").format(
            sql.Identifier(column), sql.SQL(operator)
        )
        for column in columns
    ]
    joined = sql.SQL(glue).join(pairs)
    return sql.SQL("({})").format(joined) if pairs else sql.SQL("false")


def _is_of_the_run(column: str) -> bool:
    return column == BUILD_ID or column.endswith("_at")


def _count(conn: Connection, table: sql.Identifier) -> int:
    row = conn.execute(sql.SQL("select count(*) from {}").format(table)).fetchone()
    return int(row[0]) if row else 0
