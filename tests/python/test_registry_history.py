"""Which model was in force when, and what is kept of each."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from copies import Copy

from python_scoring import registry, warehouse
from python_scoring.dbt import Project
from python_scoring.errors import BadInput
from python_scoring.warehouse import Connection

TARGET = "readmission"
DAY = date(2025, 3, 10)
MODELS = ("+model_registry", "+model_terms", "+model_candidates")
FOLLOWS = "assert_model_terms_follow_each_other"
# The two other models here have the file of a third.
FILE_TEST = "assert_model_file_is_the_registered_one"


def make_model(version: str, role: str = "champion", **other: Any) -> registry.Model:
    return registry.Model(
        model_version=version,
        target=other.pop("target", TARGET),
        training_fingerprint="f" * 64,
        training_rows=100,
        training_patients=90,
        feature_names=["age"],
        reference_patient={"name": "median training member"},
        library_versions={"numpy": "2"},
        metrics={"folds": 5},
        candidates={"days 1-30": {"prevalence": {"log_loss": 0.5}}},
        chosen={"days 1-30": "spline_logistic"},
        role=role,
        artifact_file=f"{version}.joblib",
        artifact_sha256="a" * 64,
        **other,
    )


def terms(conn: Connection, target: str = TARGET) -> list[tuple[Any, ...]]:
    return conn.execute(
        "select model_version, promoted_at, retired_at from raw.model_terms"
        " where target = %s order by promoted_at",
        (target,),
    ).fetchall()


def versions(conn: Connection) -> list[str]:
    return [version for version, _, _ in terms(conn)]


def champion(conn: Connection) -> str:
    model = registry.champion(conn, TARGET)
    assert model is not None
    return model.model_version


def at(hour: int, day: date = DAY) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour)


def write_terms(
    conn: Connection, *given: tuple[str, datetime, datetime | None]
) -> None:
    for version in {version for version, _, _ in given}:
        registry.register(conn, make_model(version, "challenger"))
    for term in given:
        conn.execute(
            "insert into raw.model_terms values ('readmission', %s, %s, %s)", term
        )


def test_what_is_registered_comes_back(conn: Connection) -> None:
    model = make_model("m1")
    registry.register(conn, model)
    assert registry.champion(conn, TARGET) == model


def test_terms_follow_each_other_without_a_gap(conn: Connection) -> None:
    for version in ("m1", "m2", "m3"):
        registry.register(conn, make_model(version))
    first, second, third = terms(conn)
    assert [first[0], second[0], third[0]] == ["m1", "m2", "m3"]
    assert first[2] == second[1]
    assert second[2] == third[1]
    assert third[2] is None
    assert first[1] < second[1] < third[1]


def test_a_version_that_comes_back_has_another_term(conn: Connection) -> None:
    for version in ("m1", "m2", "m1"):
        registry.register(conn, make_model(version))
    assert versions(conn) == ["m1", "m2", "m1"]
    assert champion(conn) == "m1"
    assert conn.execute("select count(*) from raw.model_registry").fetchone() == (2,)


def test_registering_the_model_in_force_again_leaves_its_term(conn: Connection) -> None:
    registry.register(conn, make_model("m1"))
    before = terms(conn)
    registry.register(conn, make_model("m1"))
    assert terms(conn) == before


def test_a_term_begins_when_it_is_written_not_when_the_work_began(
    conn: Connection,
) -> None:
    """Fitting takes its time, within the same transaction."""
    conn.execute("select pg_sleep(0.05)")
    registry.register(conn, make_model("m1"))
    row = conn.execute("select now()").fetchone()
    assert row is not None
    assert terms(conn)[0][1] >= row[0] + timedelta(seconds=0.05)


def test_a_challenger_changes_nothing_until_it_is_promoted(conn: Connection) -> None:
    registry.register(conn, make_model("m1"))
    registry.register(conn, make_model("m2", "challenger"))
    assert (champion(conn), versions(conn)) == ("m1", ["m1"])
    registry.promote(conn, TARGET, "m2")
    assert (champion(conn), versions(conn)) == ("m2", ["m1", "m2"])
    model = registry.champion(conn, TARGET)
    assert model is not None
    assert model.role == "challenger"


def test_only_a_registered_model_of_the_target_can_be_promoted(
    conn: Connection,
) -> None:
    registry.register(conn, make_model("m1"))
    registry.register(conn, make_model("n1", target="no_show"))
    for version in ("m9", "n1"):
        with pytest.raises(BadInput, match=f"{version}: no such model"):
            registry.promote(conn, TARGET, version)
    assert champion(conn) == "m1"


def test_targets_have_terms_of_their_own(conn: Connection) -> None:
    registry.register(conn, make_model("m1"))
    registry.register(conn, make_model("n1", target="no_show"))
    assert [row[2] for row in terms(conn)] == [None]
    assert [row[0] for row in terms(conn, "no_show")] == ["n1"]


@pytest.mark.parametrize(
    ("day", "version"),
    [
        (DAY - timedelta(days=1), None),
        (DAY, "m2"),
        (DAY + timedelta(days=1), "m2"),
        (DAY + timedelta(days=2), "m1"),
        (DAY + timedelta(days=900), "m1"),
    ],
)
def test_what_was_in_force_at_the_end_of_a_day_can_be_read_back(
    conn: Connection, day: date, version: str | None
) -> None:
    write_terms(
        conn,
        ("m1", at(0), at(9)),
        ("m2", at(9), at(48)),  # ends with the second day
        ("m1", at(48), None),
    )
    for zone in ("UTC", "Asia/Tokyo", "America/Lima"):
        conn.execute("select set_config('timezone', %s, true)", (zone,))
        model = registry.in_force(conn, TARGET, day)
        assert (model.model_version if model else None) == version
    assert registry.in_force(conn, "no_show", day) is None


# What somebody could do to the tables by hand, and a data test must see.
BROKEN = {
    "a gap": "update raw.model_terms set promoted_at = promoted_at + interval '1 ms'"
    " where retired_at is null",
    "two at once": "update raw.model_terms set retired_at = retired_at +"
    " interval '1 hour' where retired_at is not null",
    "no open term": "update raw.model_terms set retired_at = now()",
    "a lost term": "delete from raw.model_terms where retired_at is null",
    "another champion": "update raw.model_registry set is_champion ="
    " model_version = 'older'",
    "no champion": "update raw.model_registry set is_champion = false",
}


@pytest.fixture
def history(clone: Copy) -> Copy:
    """The built warehouse, with a model before the one in force, and one beside it."""
    with warehouse.connect(autocommit=True) as conn:
        model = registry.champion(conn, TARGET)
        assert model is not None
        older = replace(model, model_version="older", candidates={}, chosen={})
        beside = replace(model, model_version="beside", role="challenger")
        for each in (older, beside, model):
            registry.register(conn, each)
    clone.run("run", "--select", *MODELS)
    return clone


def test_the_marts_tell_of_every_model(history: Copy) -> None:
    found = history.rows(
        "select model_version, role, is_champion, term_count, retired_at is null,"
        " training_patient_count from candidate.model_registry"
    )
    version = history.value(
        "select model_version from candidate.model_registry where is_champion"
    )
    assert set(found) == {
        (version, "champion", True, 2, True, 20_000),
        ("older", "champion", False, 1, False, 20_000),
        ("beside", "challenger", False, 0, True, 20_000),
    }
    assert history.rows(
        "select model_version, hazard, count(*), count(*) filter (where is_chosen),"
        " bool_and(excess_log_loss <= excess_log_loss_error) filter (where is_chosen),"
        " min(log_loss) filter (where candidate in ('prevalence', 'condition_count',"
        " 'cost_percentile')) > min(log_loss) filter (where is_chosen)"
        " from candidate.model_candidates group by 1, 2 order by 1, 2"
    ) == [
        (model, f"days {days}", 6, 1, True, True)
        for model in ("beside", version)
        for days in ("1-30", "31-60", "61-90")
    ]
    nodes = history.dbt("test", "--select", *MODELS, FOLLOWS)
    assert {node.name for node in nodes.values() if node.is_bad} <= {FILE_TEST}
    with warehouse.connect() as conn:
        today = date.today() + timedelta(days=2)
        model = registry.in_force(conn, TARGET, today)
        assert model is not None
        assert model.model_version == version
        assert registry.in_force(conn, TARGET, DAY) is None


def test_a_history_that_contradicts_itself_fails_its_data_test(history: Copy) -> None:
    project = Project()
    project.parse()
    [test] = project.invoke("compile", "--select", FOLLOWS).values()
    with warehouse.connect() as conn:
        assert not conn.execute(test.compiled_code.encode()).fetchall()
        for fault, statement in BROKEN.items():
            with conn.transaction(force_rollback=True):
                conn.execute("drop index raw.model_registry_one_champion")
                conn.execute(statement.encode())
                assert conn.execute(test.compiled_code.encode()).fetchall(), fault


def test_one_open_term_a_target(conn: Connection) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation, match="one_in_force"):
        write_terms(conn, ("m1", at(0), None), ("m2", at(1), None))


def test_a_term_does_not_end_before_it_began(conn: Connection) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        write_terms(conn, ("m1", at(1), at(0)))


def test_an_older_warehouse_keeps_its_model_in_force(conn: Connection) -> None:
    registry.register(conn, make_model("m1"))
    for statement in (
        "drop table raw.model_terms",
        "alter table raw.model_registry drop role, drop training_patients,"
        " drop candidates, drop chosen",
        "comment on schema raw is 'older'",
    ):
        conn.execute(statement.encode())
    warehouse.prepare(conn)
    model = registry.champion(conn, TARGET)
    assert model is not None
    assert (model.role, model.training_patients, model.chosen) == ("champion", None, {})
    trained = conn.execute("select trained_at from raw.model_registry").fetchone()
    assert trained is not None
    assert terms(conn) == [("m1", trained[0], None)]
    conn.execute("comment on schema raw is 'older'")
    warehouse.prepare(conn)
    assert versions(conn) == ["m1"]
