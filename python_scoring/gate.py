"""dbt's word on the candidate: what failed, in words."""

import duckdb
import psycopg

from python_scoring.dbt import Node, Project, is_out_of_reach
from python_scoring.duck import connection as duck
from python_scoring.errors import BadInput, GateFailed
from python_scoring.warehouse import Connection, is_duckdb

UNSCORED_TEST = "unscored_patients__run_riskmart_build"
UNEVALUATED_TEST = "unevaluated_models__run_riskmart_build"
_SHOWN_ROWS = 5


def run(
    conn: Connection, project: Project, *arguments: str, command: str = "build"
) -> dict[str, Node]:
    """Run one dbt command on the candidate.

    Raises
    ------
    GateFailed
        A model or test failed; with the first rows that a test found.
    BadInput
        The server went away, or has no room left.
    """
    nodes = project.invoke(command, *arguments)
    bad = [node for node in nodes.values() if node.is_bad]
    lost = [node for node in bad if is_out_of_reach(node.message)]
    if lost:
        why = duck.in_words(lost[0].message) if is_duckdb(conn) else None
        raise BadInput(f"{lost[0].name}: {why or lost[0].message}")
    if bad:
        raise GateFailed("\n\n".join(_explain(conn, node) for node in bad))
    return nodes


def _explain(conn: Connection, node: Node) -> str:
    """Say what failed, and of a test the first rows that it found."""
    lines = [f"{node.unique_id.split('.')[0]} {node.name} failed: {node.message}"]
    if node.status == "fail" and node.unique_id.startswith("test."):
        lines += _first_rows(conn, node.compiled_code)
    return "\n".join(lines)


def _first_rows(conn: Connection, test_query: str) -> list[str]:
    try:
        with conn.transaction(), conn.cursor() as cursor:
            rows = f"select * from ({test_query}\n) as failures limit {_SHOWN_ROWS}"
            cursor.execute(rows.encode())
            names = [column.name for column in cursor.description or []]
            return [
                "  " + ", ".join(f"{n}={v}" for n, v in zip(names, row, strict=True))
                for row in cursor
            ]
    except (psycopg.Error, duckdb.Error) as error:
        return [f"  (its rows cannot be shown: {str(error).splitlines()[0]})"]


def warned(project: Project) -> list[Node]:
    """Return the tests that warned."""
    return [node for node in project.nodes.values() if node.status == "warn"]


def check_complete(project: Project) -> None:
    """Check that the dbt runs were all of it and left nobody without a score."""
    missing = project.all_nodes() - set(project.nodes)
    if missing:
        raise RuntimeError(f"not run: {', '.join(sorted(missing))}")
    check_scored(project)


def check_scored(project: Project) -> None:
    """Refuse who has no score, and a model that nobody judged.

    To plain dbt, which neither scores nor evaluates, these are warnings.
    """
    for node in warned(project):
        if node.name == UNSCORED_TEST:
            raise GateFailed(f"patients without a score after scoring: {node.message}")
        if node.name == UNEVALUATED_TEST:
            raise GateFailed(
                f"cohorts on which nobody judged the model: {node.message}"
            )
