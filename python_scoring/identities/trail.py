"""The one place where this room writes to the audit log."""

from typing import Any

from python_scoring.warehouse import Connection


def record(
    conn: Connection,
    action: str,
    object_name: str,
    row_count: int,
    detail: dict[str, Any],
) -> None:
    """Write a line of the audit log, in the caller's transaction.

    Parameters
    ----------
    detail
        patient_uuids, fingerprints, reasons; never an identifier, never a key.
    """
    from python_scoring.audit import store

    store.record(conn, action, object_name, row_count, None, detail)
