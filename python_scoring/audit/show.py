"""The last entries of the trail, as people read them."""

from datetime import UTC, datetime

from python_scoring.warehouse import Connection

COLUMNS = ("entry", "at", "who", "as", "action", "object", "rows", "build", "detail")
_ENTRIES = """
select entry_id::text, to_char(at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
    who || coalesce(' (' || os_user || ')', ''), role, action, object,
    coalesce(row_count::text, ''), coalesce(build_id::text, ''),
    case when detail = '{}' then '' else detail::text end
from audit.audit_log
where (%(action)s::text is null or action = %(action)s)
    and (%(since)s::timestamptz is null or at >= %(since)s)
order by entry_id desc
limit %(last)s
"""


def entries(
    conn: Connection, last: int, action: str | None, since: datetime | None
) -> list[tuple[str, ...]]:
    """Read the last entries, the oldest first, as text by `COLUMNS`.

    Parameters
    ----------
    since
        UTC, without a time zone.
    """
    values = {
        "last": last,
        "action": action,
        "since": since.replace(tzinfo=UTC) if since else None,
    }
    return conn.execute(_ENTRIES.encode(), values).fetchall()[::-1]
