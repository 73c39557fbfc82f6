"""A second version of a mart: what stays for readers of the first, and for the rest."""

from pathlib import Path

import pytest
from copies import Copy, copy_project

MART = Path("models") / "marts" / "readmission" / "risk" / "predictions"


@pytest.fixture
def copy(tmp_path: Path, clone: Copy) -> Copy:
    """A project of one's own on the clone, in which `predictions` has a version 2."""
    changed = Copy(copy_project(tmp_path / "project"), clone.home, clone.database)
    sql = (changed.project / MART).with_suffix(".sql")
    sql.rename(sql.with_name("predictions_v1.sql"))
    text = sql.with_name("predictions_v1.sql").read_text()
    sql.write_text(
        text.replace("        scored_at\n", "        scored_at as made_at\n")
    )
    described = sql.with_suffix(".yml")
    newer = """    latest_version: 2
    versions:
      - v: 1
      - v: 2
        columns:
          - include: all
            exclude: [scored_at]
          - name: made_at
            description: When the score was made.
            data_type: timestamp with time zone
            constraints: [{type: not_null}]
"""
    older = "    latest_version: 1\n    versions: [{v: 1}]\n"
    assert older in described.read_text()
    described.write_text(described.read_text().replace(older, newer))
    return changed


def test_the_latest_has_the_name_and_the_keys_the_earlier_one_lives_on(
    copy: Copy,
) -> None:
    with copy.in_force():
        copy.run("run", "--select", "predictions", "financial_projections")
        columns = copy.rows(
            "select table_name::text, column_name::text"
            " from information_schema.columns where table_schema = 'candidate'"
            " and table_name like 'predictions%%' and column_name in"
            " ('scored_at', 'made_at') order by 1"
        )
        assert columns == [("predictions", "made_at"), ("predictions_v1", "scored_at")]
        assert copy.value(
            "select count(*) from candidate.predictions_v1"
        ) == copy.value("select count(*) from candidate.predictions")
        parents = copy.rows(
            "select confrelid::regclass::text from pg_constraint"
            " where conrelid = 'candidate.financial_projections'::regclass"
            " and conname like '%%patient_id_prediction_window%%'"
        )
        assert parents == [("candidate.predictions",)]
