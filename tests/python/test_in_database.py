"""Scoring by SQL: the same rows as in Python, on every engine there is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from python_scoring import drift, ledger, registry
from python_scoring.errors import BadInput
from python_scoring.in_database import choice, curves, statements
from python_scoring.in_database.choice import Cost
from python_scoring.in_database.dialect import DUCKDB, POSTGRES, Dialect
from python_scoring.readmission import score
from python_scoring.readmission.additive import AdditiveHazards, relative_to
from python_scoring.readmission.features import FEATURE_NAMES, FEATURES
from python_scoring.readmission.horizons import HORIZON_DAYS, cumulative_risk
from python_scoring.readmission.terms import (
    CodeTable,
    Curve,
    CurveAndSteps,
    Steps,
    Term,
)
from python_scoring.readmission.versions import version_of
from python_scoring.warehouse import Connection

PEOPLE = 400
HAZARDS = len(HORIZON_DAYS)
KINDS = ("curves", "steps", "mixed")
NOBODY = (
    "select cast(null as bigint) as patient_id, cast(null as bigint) as"
    " features_hash, cast(null as smallint) as is_in_force where false"
)


@dataclass(frozen=True)
class Engine:
    """Where statements are tried: how it spells them, and how to run one."""

    dialect: Dialect
    run: Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(params=[POSTGRES, DUCKDB], ids=lambda dialect: dialect.name)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine; DuckDB where its package is installed."""
    if request.param is DUCKDB:
        duck = pytest.importorskip("duckdb").connect()
        return Engine(DUCKDB, lambda query: list(duck.execute(query).fetchall()))
    conn: Connection = request.getfixturevalue("conn")

    def run(query: str) -> list[tuple[Any, ...]]:
        done = conn.execute(query.encode())
        return done.fetchall() if done.description else []

    return Engine(POSTGRES, run)


def draw_term(draw: np.random.Generator, kind: str, number: int, size: float) -> Term:
    """Draw what a feature adds, of the kinds that the feature can have."""
    feature = FEATURES[number]

    def levels(points: int) -> np.ndarray:
        return draw.normal(0, size, (HAZARDS, points))

    elsewhere = draw.normal(0, size, HAZARDS)
    if feature.data_type == "code":
        return CodeTable(np.array([1.0, 2.0, 3.0, 5.0]), levels(4), elsewhere)
    if feature.data_type == "flag":
        return Curve(np.array([0.0, 1.0]), levels(2), elsewhere)
    at = np.sort(draw.choice(np.arange(1.0, 40.0), 6, replace=False)) / 4
    curve, steps = Curve(at, levels(6), elsewhere), Steps(at, levels(7), elsewhere)
    if kind == "curves":
        return curve
    if kind == "steps":
        return steps
    none = np.zeros(HAZARDS)
    is_curve = (np.arange(HAZARDS) + number) % 2 == 0
    here, there = is_curve[:, np.newaxis], ~is_curve[:, np.newaxis]
    return CurveAndSteps(
        Curve(at, curve.values * here, np.where(is_curve, elsewhere, none)),
        Steps(at, steps.values * there, np.where(is_curve, none, elsewhere)),
    )


def draw_hazards(kind: str, seed: int = 1, size: float = 0.3) -> AdditiveHazards:
    draw = np.random.default_rng(seed)
    terms = [draw_term(draw, kind, n, size) for n in range(len(FEATURES))]
    reference = np.array([0.0 if f.data_type == "flag" else 1.0 for f in FEATURES])
    reference[FEATURE_NAMES.index("days_since_last_admission")] = np.nan
    eta = draw.normal(-2, 0.5, HAZARDS)
    return relative_to(FEATURE_NAMES, reference, eta, terms)


def draw_people(hazards: AdditiveHazards, seed: int = 2) -> np.ndarray:
    """Draw features (n, 27): between knots, on them, far outside, and missing."""
    draw = np.random.default_rng(seed)
    x = np.empty((PEOPLE, len(FEATURES)), order="F")
    for place, feature in enumerate(FEATURES):
        if feature.data_type == "flag":
            x[:, place] = draw.integers(0, 2, PEOPLE)
        elif feature.data_type == "number":
            at = knots_of(hazards.terms[place])
            choices = [*at, *(at + 1e-9), *(at - 1e-9), -1e6, 1e12, 0.0, -0.0, 1 / 3]
            x[:, place] = draw.choice(choices, PEOPLE)
            x[::2, place] = draw.random(len(x[::2])) * 12
        else:
            x[:, place] = draw.choice([-7, 0, 1, 2, 3, 4, 5, 8, 9999], PEOPLE)
        if feature.is_nullable:
            x[draw.random(PEOPLE) < 0.4, place] = np.nan
    x[0] = hazards.reference
    return x


def knots_of(term: Term) -> np.ndarray:
    if isinstance(term, CodeTable):
        return term.codes
    if isinstance(term, CurveAndSteps):
        return term.curve.knots
    return term.knots if isinstance(term, Curve) else term.edges


def put(engine: Engine, x: np.ndarray, loads: np.ndarray | None = None) -> None:
    """Make table ``features`` of these people, in the types that dbt gives them."""
    types = {"flag": "smallint", "code": "smallint", "number": "double precision"}
    columns = ", ".join(f"{f.name} {types.get(f.data_type, 'int')}" for f in FEATURES)
    engine.run(
        "create temporary table features (patient_id bigint, load_id bigint,"
        f" is_current boolean, purpose varchar(10), {columns})"
    )
    loads = np.ones(len(x), dtype=np.int64) if loads is None else loads
    rows = ", ".join(
        f"({person}, {load}, true, 'cohort', "
        + ", ".join("null" if np.isnan(v) else f"'{float(v)!r}'::float8" for v in row)
        + ")"
        for person, (load, row) in enumerate(zip(loads, x, strict=True), start=1)
    )
    engine.run(f"insert into features values {rows}")
    engine.run(
        "insert into features select 9000000, 1, false, 'cohort',"
        f" {', '.join(FEATURE_NAMES)} from features where patient_id = 1"
    )


def find_people(engine: Engine, latest: str = NOBODY, *, rescore: bool = False) -> None:
    query = statements.people(engine.dialect, "features", latest, rescore=rescore)
    engine.run(f"create temporary table people as {query}")


def scored(engine: Engine, hazards: AdditiveHazards) -> dict[str, np.ndarray]:
    query = statements.scores(engine.dialect, hazards, HORIZON_DAYS, "people", 5)
    rows = engine.run(
        f"select {statements.LEDGER_COLUMNS} from ({query}) as scored"
        " order by patient_id, window_days"
    )
    names = statements.LEDGER_COLUMNS.split(", ")
    kinds = {"features_hash": np.int64}
    return {
        name: np.array(column, dtype=kinds.get(name))
        for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }


def expected(hazards: AdditiveHazards, x: np.ndarray) -> dict[str, np.ndarray]:
    ids = np.arange(1, len(x) + 1)
    scores = score.score_matrix(hazards, ids, x, ledger.features_hash(x))
    return ledger.rows_of(scores, 5, HORIZON_DAYS)


def assert_same(found: dict[str, np.ndarray], python: dict[str, np.ndarray]) -> None:
    assert found.keys() == python.keys()
    for name, column in python.items():
        if name == "score" or name.endswith("contribution"):
            np.testing.assert_allclose(found[name], column, rtol=0, atol=1e-9)
        else:
            np.testing.assert_array_equal(found[name], column, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_those_of_python(engine: Engine, kind: str) -> None:
    hazards = draw_hazards(kind)
    x = draw_people(hazards)
    put(engine, x)
    find_people(engine)
    assert_same(scored(engine, hazards), expected(hazards, x))


def test_long_paths_are_cut_into_the_same_pieces(engine: Engine) -> None:
    hazards = draw_hazards("mixed", size=2.0)
    x = draw_people(hazards)
    distance = np.abs(hazards.eta(x) - hazards.reference_eta).max(axis=1)
    assert (distance > 24).any()
    assert (distance < 8).any()
    put(engine, x)
    find_people(engine)
    assert_same(scored(engine, hazards), expected(hazards, x))


def test_equal_reasons_go_to_the_lower_feature(engine: Engine) -> None:
    """The reference patient has no reason at all: 27 zeros."""
    hazards = draw_hazards("curves")
    put(engine, np.repeat(hazards.reference[np.newaxis, :], 2, axis=0))
    find_people(engine)
    found = scored(engine, hazards)
    ranks = [found[f"reason_{rank}_feature_id"] for rank in (1, 2, 3)]
    np.testing.assert_array_equal(ranks, np.repeat([[1], [2], [3]], 6, axis=1))


def test_who_is_unscored_is_found_by_hash_and_model(engine: Engine) -> None:
    hazards = draw_hazards("mixed")
    x = draw_people(hazards)
    hashes = ledger.features_hash(x)
    put(engine, x)
    known = [(n, hashes[n - 1], 1) for n in range(1, 301)]
    known[9] = (10, hashes[9] ^ 1, 1)  # of other features
    known[10] = (11, hashes[10], 0)  # of another model
    rows = ", ".join(f"({n}, '{h}'::bigint, {f})" for n, h, f in known)
    latest = (
        f"select * from (values {rows}) as l (patient_id, features_hash, is_in_force)"
    )
    find_people(engine, latest)
    unscored = engine.run("select patient_id from people where is_unscored order by 1")
    assert [n for (n,) in unscored] == [10, 11, *range(301, PEOPLE + 1)]
    assert set(scored(engine, hazards)["patient_id"]) == {n for (n,) in unscored}
    engine.run("drop table people")
    find_people(engine, latest, rescore=True)
    assert engine.run("select count(*) from people where is_unscored") == [(PEOPLE,)]


def test_people_are_counted_in_the_bins_of_drift(engine: Engine) -> None:
    hazards = draw_hazards("mixed")
    x = draw_people(hazards)
    loads = np.random.default_rng(4).integers(7, 9, len(x))
    columns = drift.columns_of(
        FEATURE_NAMES, x, HORIZON_DAYS, cumulative_risk(hazards.eta(x))
    )
    trained = draw_people(hazards, seed=5)
    risks = cumulative_risk(hazards.eta(trained))
    before = drift.columns_of(FEATURE_NAMES, trained, HORIZON_DAYS, risks)
    binnings = {name: drift.binning(column) for name, column in before.items()}
    assert {b.is_by_value for b in binnings.values()} == {True, False}
    tally = drift.Tally(binnings)
    tally.add(loads, columns)
    put(engine, x, loads)
    find_people(engine)
    newest = statements.scores(engine.dialect, hazards, HORIZON_DAYS, "people", 5)
    query = statements.counts(binnings, HORIZON_DAYS, "people", newest)
    for load, *counts in engine.run(query):
        for name, binning in binnings.items():
            of_python = tally.counts[load, name].tolist()
            assert counts[: len(binning.kinds)] == of_python, name
            del counts[: len(binning.kinds)]
        assert not counts


@pytest.mark.parametrize("value", ["null", "'NaN'", "'infinity'", "'-infinity'"])
def test_a_feature_that_no_model_takes_is_found(engine: Engine, value: str) -> None:
    put(engine, draw_people(draw_hazards("curves")))
    find_people(engine)
    assert engine.run(statements.unfit("people")) == []
    engine.run(f"update people set frailty_score = {value} where patient_id = 17")
    [(patient_id, *_)] = engine.run(statements.unfit("people"))
    assert patient_id == 17


def test_what_was_scored_is_kept(engine: Engine) -> None:
    x = draw_people(draw_hazards("curves"))
    put(engine, x)
    find_people(engine)
    rows = engine.run(statements.kept_features("people", 5) + " order by patient_id")
    np.testing.assert_array_equal(np.array(rows)[:, 2:].astype(float), x)


def registered(hazards: AdditiveHazards) -> registry.Model:
    reference = {
        name: None if np.isnan(value) else value
        for name, value in zip(FEATURE_NAMES, hazards.reference.tolist(), strict=True)
    }
    return registry.Model(
        model_version=version_of("f" * 64, hazards),
        target="readmission",
        training_fingerprint="f" * 64,
        training_rows=1,
        feature_names=list(FEATURE_NAMES),
        reference_patient={
            "values": reference,
            "log_odds": hazards.reference_eta.tolist(),
        },
        library_versions={},
        metrics={},
        artifact_file="m.joblib",
        artifact_sha256="0" * 64,
    )


@pytest.fixture(params=KINDS)
def exported(
    request: pytest.FixtureRequest, conn: Connection
) -> Iterator[tuple[Connection, registry.Model, AdditiveHazards]]:
    """A registered model whose curves are in the warehouse."""
    hazards = draw_hazards(request.param)
    model = registered(hazards)
    registry.register(conn, model)
    curves.record(conn, model.model_version, hazards)
    yield conn, model, hazards
    conn.rollback()


Exported = tuple[Connection, registry.Model, AdditiveHazards]


def test_a_model_comes_back_from_its_rows_to_the_bit(exported: Exported) -> None:
    conn, _, hazards = exported
    model = registry.champion(conn, "readmission")
    assert model is not None
    found = curves.read(conn, model)
    assert found is not None
    assert found.digest() == hazards.digest()


@pytest.mark.parametrize(
    "change",
    [
        "update raw.model_curves set log_odds = log_odds + 1e-15"
        " where feature_id = 7 and hazard = 2 and place = 1",
        "update raw.model_curves set lies_at = 0.1 where feature_id = 22 and place = 1",
        "delete from raw.model_curves where feature_id = 9",
        "delete from raw.model_curves"
        " where feature_id = 4 and hazard = 1 and place > 2",
        "delete from raw.model_curves where hazard = 3",
        "insert into raw.model_curves select model_version, 28, hazard, part, place,"
        " lies_at, log_odds from raw.model_curves where feature_id = 2",
        "update raw.model_curves set part = 'steps' where feature_id = 2",
    ],
)
def test_changed_rows_are_not_the_model(exported: Exported, change: str) -> None:
    conn, model, _ = exported
    assert conn.execute(change.encode()).rowcount > 0
    with pytest.raises(BadInput, match=f"rows of {model.model_version} are not"):
        curves.read(conn, model)


def test_the_faster_way_is_chosen() -> None:
    costs = {"e": {"python": Cost(1.0, 10.0), "database": Cost(2.0, 5.0)}}
    assert choice.faster("e", 100_000, costs) == "python"
    assert choice.faster("e", 300_000, costs) == "database"
    assert choice.faster("e", 200_000, costs) == "python"
    for name in (POSTGRES.name, DUCKDB.name):
        assert choice.faster(name, 3_000) in (ledger.PYTHON, ledger.DATABASE)
