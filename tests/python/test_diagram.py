"""The diagram of the marts and their keys."""

import re
from pathlib import Path
from typing import Any

import pytest
from copies import REPOSITORY, Copy, copy_project

from python_scoring import diagram
from python_scoring.dbt import Project


@pytest.fixture
def copy(tmp_path: Path, home: Path) -> Copy:
    """A project of one's own, to edit; nothing here needs a database."""
    return Copy(copy_project(tmp_path / "project"), home)


def read(copy: Copy) -> Any:
    with copy.in_force():
        project = Project()
        project.parse()
        return project.manifest


def test_the_committed_page_is_current(copy: Copy) -> None:
    committed = (REPOSITORY / diagram.FILE).read_text(encoding="utf-8")
    assert committed == diagram.markdown(read(copy))


def test_the_page_follows_the_declared_keys(copy: Copy) -> None:
    before = diagram.markdown(read(copy))
    assert '    patients ||--o{ predictions : "patient_id"' in before
    assert "        bigint patient_id PK, FK" in before
    file = (
        copy.project / "models" / "marts" / "readmission" / "risk" / "predictions.yml"
    )
    key = """      - type: foreign_key
        columns: [patient_id]
        to: ref('patients')
        to_columns: [patient_id]
"""
    assert key in file.read_text()
    file.write_text(file.read_text().replace(key, ""))
    after = diagram.markdown(read(copy))
    assert '    patients ||--o{ predictions : "patient_id"' not in after
    assert len(after.splitlines()) == len(before.splitlines()) - 1


def test_every_line_between_marts_joins_two_that_are_drawn() -> None:
    text = (REPOSITORY / diagram.FILE).read_text(encoding="utf-8")
    drawn = set(re.findall(r"^    (\w+) \{$", text, re.MULTILINE))
    lines = re.findall(r"^    (\w+) \|\|--o[|{] (\w+) : ", text, re.MULTILINE)
    assert len(lines) > 30
    assert {name for line in lines for name in line} <= drawn
