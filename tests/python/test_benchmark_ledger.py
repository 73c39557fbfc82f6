"""The layouts of the ledger that are compared hold the same; how fast, no test says."""

import pytest
from copies import Copy

from benchmarks import ledger
from benchmarks.ledger_layouts import LAYOUTS, SCHEMA, Layout, month
from python_scoring import warehouse

PEOPLE, BATCHES = 300, 3
TIMED = [
    ledger.APPEND,
    *ledger.READS,
    ledger.HISTORY,
    ledger.ALONE,
    ledger.INTAKE,
    ledger.REMOVE,
    ledger.DROP,
]


def test_a_small_run_measures_every_layout(clone: Copy) -> None:
    with clone.in_force(), warehouse.connect(autocommit=True) as conn:
        measured = ledger.measure(conn, PEOPLE, BATCHES, repeats=1)
    found = "select nspname from pg_namespace where nspname like 'bench%'"
    assert clone.rows(found) == []
    # The first batch is of everybody; later ones are not.
    assert PEOPLE * 3 < measured.rows < PEOPLE * 3 * BATCHES
    assert {*measured.figures} == {*TIMED, ledger.SIZE, ledger.INDEX_SIZE}
    for of_all in measured.figures.values():
        assert list(of_all) == [layout.name for layout in LAYOUTS]
        assert all(figure > 0 for figure in of_all.values())
    table = ledger.markdown(measured)
    assert all(f"| {what} |" in table for what in measured.figures)


def test_layouts_have_the_columns_of_the_ledger(clone: Copy) -> None:
    query = """
        select attname, atttypid::regtype::text, attnum
        from pg_attribute
        where attrelid = '{}'::regclass and attnum > 0 and not attisdropped
    """
    ours = {row[:2] for row in clone.rows(query.format("raw.predictions"))}
    with clone.in_force(), warehouse.connect(autocommit=True) as conn:
        conn.execute(f"create schema {SCHEMA}".encode())
        for layout in LAYOUTS:
            conn.execute(layout.make(BATCHES).encode())
            rows = conn.execute(query.format(layout.table).encode()).fetchall()
            more = {("scored_on", "date")} if layout.has_month else set()
            assert {row[:2] for row in rows} == ours | more
        conn.execute(f"drop schema {SCHEMA} cascade".encode())


def test_removal_keeps_the_score_in_force(clone: Copy) -> None:
    """Detaching a month would lose whoever's features never changed since."""
    insert = "insert into {} select {}, patient_id, 0, 0, 0, 0, 0, 0, 0, 0, 30, 1, 1, 1"
    with clone.in_force(), warehouse.connect(autocommit=True) as conn:
        conn.execute(f"create schema {SCHEMA}".encode())
        for layout in LAYOUTS:
            conn.execute(layout.make(2).encode())
            for batch, people in ((1, "1, 2"), (2, "2")):
                rows = insert.format(layout.table, batch)
                if layout.has_month:
                    day = month(batch)
                    rows += f", date '{day}'"
                rows += f" from unnest(array[{people}]) as patient_id"
                conn.execute(rows.encode())
            ledger._remove(conn, layout)
            left = f"select patient_id, batch_id from {layout.table} order by 1"
            assert conn.execute(left.encode()).fetchall() == [(1, 1), (2, 2)]
        conn.execute(f"drop schema {SCHEMA} cascade".encode())


def test_layouts_that_differ_are_no_comparison(
    clone: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, without = Layout.rows, " where patient_id > 1 or window_days < 90"
    monkeypatch.setattr(
        Layout,
        "rows",
        lambda self, batch: (
            right(self, batch) + (without if self.name == "brin" else "")
        ),
    )
    with (
        clone.in_force(),
        warehouse.connect(autocommit=True) as conn,
        pytest.raises(RuntimeError, match=r"and BRIN on batch_id: .*; expected"),
    ):
        ledger.measure(conn, PEOPLE, BATCHES, repeats=1)
