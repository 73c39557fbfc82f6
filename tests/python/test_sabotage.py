"""What somebody changed by hand, or calculated wrongly, is never published.

Every column of every mart is changed in one row, in several ways, and rows are
taken out and put in; one of the data tests has to see each of it. Foreign keys
are off meanwhile, so that nothing hides behind them; what other constraints
refuse counts as seen.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from copies import Copy
from psycopg import sql

from python_scoring import gate, pipeline, warehouse
from python_scoring.dbt import Project, target_dir
from python_scoring.errors import GateFailed
from python_scoring.publication import builds
from python_scoring.publication.relations import columns_of
from python_scoring.warehouse import Connection

# The rows of a mart that one is chosen from; of some marts, kinds of rows.
_GRID = ("patient_count > 0", "patient_count = 0")
_SUPPRESSED = ("patient_count is not null", "patient_count is null")
MARTS = {
    **dict.fromkeys(("organizations", "departments", "patients"), ("true",)),
    "patient_features": ("true",),
    "predictions": ("true",),
    "reason_words": ("true", "code_names is not null"),
    "org_tier_summary": _GRID,
    "tier_migration": _GRID,
    "reference_statistics": ("true", "missing_share > 0"),
    "financial_projections": ("is_positive_roi", "not is_positive_roi"),
    "roi_aggregations": ("true",),
    "positive_roi_patients": ("true",),
    "dept_risk_distribution": _GRID,
    "high_risk_by_department": _GRID,
    "roi_by_department": _GRID,
    **dict.fromkeys(
        ("org_tier_summary_suppressed", "dept_risk_distribution_suppressed"),
        _SUPPRESSED,
    ),
    "roi_by_department_suppressed": (*_SUPPRESSED, "excellent_roi_count is null"),
    "programme_holdout": ("is_control", "not is_control"),
    "programme_holdout_sums": ("true",),
    "programme_holdout_balance": ("eligible_count > 0", "eligible_count = 0"),
    "projection_backtests": ("status = 'measured'", "status <> 'measured'"),
    "risk_sums": ("true",),
    "roi_sums": ("true",),
    "intervention_evidence": ("true",),
    "roi_assumptions": ("true",),
    "roi_scenario_totals": tuple(
        f"scenario = '{s}'" for s in ("conservative", "base", "optimistic")
    ),
    "targeting_steps": ("previous_window is null", "previous_window is not null"),
    "targeting_sums": ("targeting_strategy = 'best'", "targeting_strategy = 'random'"),
    "targeting_frontier": tuple(
        f"targeting_strategy = '{s}' and budget > 0"
        for s in ("best", "risk_blind", "highest_tier_first", "random")
    ),
    "calendar_days": ("true",),
    **dict.fromkeys(
        (
            *("model_candidates", "model_metrics", "model_calibration"),
            *("model_thresholds", "model_drift"),
        ),
        ("true",),
    ),
}
# The only mart that is a log of now, and filled again at each publication.
_NOT_BUILT = {"builds"}
# Not swept here: one model has no other's values, and golden scores that are put in
# beside it are no evaluation's. `same_rows` holds them to what they are made from.
_NOT_SWEPT = {"model_registry", "model_terms", "model_evaluations"}
# Have no rows here, where no cohort took another's place: test_tier_migration.py,
# test_add.py.
_NOT_SWEPT |= {"tier_change_sums", "past_predictions"}
# And this one has no count here: test_suppression.py.
_NOT_SWEPT |= {"tier_migration_suppressed"}
# Here nobody was enrolled, and nothing measured: test_programme_results.py.
_NOT_SWEPT |= {"programme_results"}
# What these show is in the tables above.
_VIEWS = {
    *("prediction_reasons", "cohort_comparison"),
    *("patient_windows", "readmission_counts"),
    *("prediction_history", "roi_uncertainty"),
}

# No tolerance of a test may be wider than this.
_MOVED = {
    "smallint": "{column} + 1",
    "integer": "{column} + 1",
    "bigint": "{column} + 1",
    "double precision": "case when {column} = 0 then 0.01 else {column} * 1.01 end",
    "text": "{column} || 'x'",
    "boolean": "not {column}",
    "date": "{column} + 1",
    "timestamp with time zone": "{column} + interval '1 day'",
    "uuid": "gen_random_uuid()",
    "jsonb": """{column} || '{{"1": "x"}}'""",
}
# Where all have nothing there, and so no other has anything else, what is made up.
_ANOTHERS = """
coalesce(
    (select other.{column} from {mart} as other, {mart} as mine
    where mine.ctid = {row} and other.{column} is distinct from mine.{column}
    order by md5(other::text) limit 1),
    case when {column} is null then {made_up} end
)
"""
_MADE_UP = {
    "text": "'x'",
    "date": "date '2025-01-01'",
    "timestamp with time zone": "timestamptz '2025-01-01 00:00:00+00'",
    "boolean": "false",
    "uuid": "gen_random_uuid()",
    "jsonb": """'{"1": "x"}'::jsonb""",
}
_MADE_UP_NUMBER = "1"
_NEW = {
    "text": "{column} || 'x'",
    "uuid": "gen_random_uuid()",
}
_NEW_NUMBER = "(select max({column}) + 1 from {mart})"
_KEYS = """
select i.indisprimary, a.attname
from pg_index as i
inner join pg_attribute as a on i.indrelid = a.attrelid and a.attnum = any(i.indkey)
where i.indisunique and i.indrelid = %s::regclass
"""


@dataclass(frozen=True)
class Check:
    """A data test that stops a publication where its query finds a row."""

    name: str
    query: str
    marts: frozenset[str]


@dataclass
class Bench:
    """The marts in a schema, what tests them, and how much each test has seen."""

    conn: Connection
    schema: str
    checks: list[Check]
    seen: dict[str, int] = field(default_factory=dict)

    def table(self, mart: str) -> sql.Identifier:
        return sql.Identifier(self.schema, mart)

    def row(self, mart: str, condition: str) -> sql.Composable | None:
        """Where one row of a mart is: always the same of the same rows."""
        query = sql.SQL(
            "select ctid::text from {} as chosen where {} order by md5(chosen::text)"
        ).format(self.table(mart), sql.SQL(condition))
        found = self.conn.execute(query).fetchone()
        return sql.SQL("{}::tid").format(sql.Literal(found[0])) if found else None

    def sees(self, mart: str, change: sql.Composed) -> str | None:
        """Return who sees a change of a mart, which is taken back; or none."""
        try:
            with self.conn.transaction(force_rollback=True):
                self.conn.execute("set local session_replication_role = replica")
                assert self.conn.execute(change).rowcount == 1
                return self._failing(mart)
        except psycopg.errors.IntegrityError as error:
            return error.diag.constraint_name or "not null"

    def _failing(self, mart: str) -> str | None:
        concerned = [check for check in self.checks if mart in check.marts]
        # Those first that have seen most: there are a dozen, and many changes.
        for check in sorted(concerned, key=lambda c: -self.seen.get(c.name, 0)):
            # All of them, as dbt does: for one alone, PostgreSQL takes plans that begin
            # soon and, where there is none, end late.
            query = f"select count(*) from ({check.query}\n) as failures"
            if self.conn.execute(query.encode()).fetchone() != (0,):
                self.seen[check.name] = self.seen.get(check.name, 0) + 1
                return check.name
        return None


@pytest.fixture(scope="module")
def bench(filled: Copy) -> Iterator[Bench]:
    """Three organizations with a history, in the tables that are published."""
    # In force for that long only: other tests here work on a clone.
    with filled.in_force():
        conn = warehouse.connect(autocommit=True)
        build = builds.published(conn)
        assert build is not None
        checks = list(checks_of(build.schema))
    with conn:
        yield Bench(conn, build.schema, checks)


def checks_of(schema: str) -> Iterator[Check]:
    """Compile every data test that stops a publication, for the marts in a schema."""
    project = Project()
    project.parse()
    compiled = project.invoke("compile", "--select", "test_type:data")
    nodes = json.loads((target_dir() / "manifest.json").read_text())["nodes"]
    for unique_id, node in compiled.items():
        described = nodes[unique_id]
        stops = described["resource_type"] == "test" and (
            described["config"]["severity"].lower() == "error"
            or node.name == gate.UNSCORED_TEST
        )
        if stops:
            parents = [nodes.get(p, {}) for p in described["depends_on"]["nodes"]]
            query = node.compiled_code.replace('"candidate".', f'"{schema}".')
            marts = frozenset(p["alias"] for p in parents if "alias" in p)
            yield Check(node.name, query, marts)


def unseen(bench: Bench, mart: str, kinds: Iterable[str]) -> list[str]:
    """Change a mart in every way, and say which changes no data test sees."""
    changes = list(_changes(bench, mart, kinds))
    assert len(changes) > 3 * len(columns_of(bench.conn, bench.schema, mart))
    return [what for what, change in changes if bench.sees(mart, change) is None]


def _changes(
    bench: Bench, mart: str, kinds: Iterable[str]
) -> Iterator[tuple[str, sql.Composed]]:
    columns = {
        name: column.data_type
        for name, column in columns_of(bench.conn, bench.schema, mart).items()
    }
    for kind in kinds:
        row = bench.row(mart, kind)
        if row is None:
            continue
        for name, data_type in columns.items():
            for how, change in _updates(bench, mart, name, data_type, kind):
                yield f"{name} {how} where {kind}", change
        delete = sql.SQL("delete from {} where ctid = {}")
        yield f"deleted where {kind}", delete.format(bench.table(mart), row)
    for name, insert in _inserts(bench, mart, columns):
        yield f"inserted beside, new {name}", insert


def _updates(
    bench: Bench, mart: str, name: str, data_type: str, kind: str
) -> Iterator[tuple[str, sql.Composed]]:
    column, table = sql.Identifier(name), bench.table(mart)
    update = sql.SQL("update {} set {} = {} where ctid = {}")
    row = bench.row(mart, kind)
    assert row is not None
    made_up = sql.SQL(_MADE_UP.get(data_type, _MADE_UP_NUMBER))
    anothers = sql.SQL(_ANOTHERS).format(
        column=column, mart=table, row=row, made_up=made_up
    )
    yield "is another's", update.format(table, column, anothers, row)
    row = bench.row(mart, f"({kind}) and {name} is not null")
    if row is not None:
        moved = sql.SQL(_MOVED[data_type]).format(column=column)
        yield "moved", update.format(table, column, moved, row)
        yield "gone", update.format(table, column, sql.SQL("null"), row)


def _inserts(
    bench: Bench, mart: str, columns: dict[str, str]
) -> Iterator[tuple[str, sql.Composed]]:
    """Put a row in twice, with one column of its key new, and all other unique ones."""
    table, row = bench.table(mart), bench.row(mart, "true")
    keys = bench.conn.execute(_KEYS.encode(), (f"{bench.schema}.{mart}",)).fetchall()
    unique = [name for is_primary, name in keys if not is_primary]
    insert = sql.SQL("insert into {} select {} from {} where ctid = {}")
    for key in (name for is_primary, name in keys if is_primary):
        values = [
            sql.SQL(_NEW.get(data_type, _NEW_NUMBER)).format(
                column=sql.Identifier(name), mart=table
            )
            if name in (key, *unique)
            else sql.Identifier(name)
            for name, data_type in columns.items()
        ]
        yield key, insert.format(table, sql.SQL(", ").join(values), table, row)


@pytest.mark.parametrize("mart", MARTS)
def test_any_change_of_a_mart_is_seen(bench: Bench, mart: str) -> None:
    assert unseen(bench, mart, MARTS[mart]) == []


def test_every_mart_is_among_them(bench: Bench) -> None:
    rows = bench.conn.execute(
        "select table_name from information_schema.tables where table_schema = %s",
        (bench.schema,),
    )
    assert {name for (name,) in rows} == set(MARTS) | _NOT_BUILT | _VIEWS | _NOT_SWEPT


def test_nothing_is_seen_where_nothing_changed(bench: Bench) -> None:
    """Else every change above would be seen, whatever it was."""
    for mart in MARTS:
        row = bench.row(mart, "true")
        assert row is not None
        name = next(iter(columns_of(bench.conn, bench.schema, mart)))
        same = sql.SQL("update {0} set {1} = {1} where ctid = {2}")
        change = same.format(bench.table(mart), sql.Identifier(name), row)
        assert bench.sees(mart, change) is None, mart


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(
            "update candidate.predictions set risk_tier = risk_tier % 5 + 1"
            " where patient_id = 7 and prediction_window = '60_day'",
            "predictions_are_the_active_ones_of_the_ledger",
            id="a wrong tier",
        ),
        pytest.param(
            "insert into candidate.past_predictions select batch_id, patient_id,"
            " prediction_window, organization_id, risk_score, risk_tier,"
            " model_version, reason_1, reason_1_contribution, reason_1_value, reason_2,"
            " reason_2_contribution, reason_2_value, reason_3, reason_3_contribution,"
            " reason_3_value, scored_at from candidate.predictions"
            " where patient_id = 7 and prediction_window = '60_day'",
            "past_predictions_are_the_rest_of_the_ledger",
            id="a row too many",
        ),
        pytest.param(
            "update candidate.roi_by_department"
            " set total_expected_savings = total_expected_savings + 1,"
            " total_net_benefit = total_net_benefit + 1"
            " where department_id = 1 and prediction_window = '60_day'",
            "assert_department_returns_are_their_patients",
            id="a broken sum",
        ),
    ],
)
def test_a_changed_candidate_is_not_published(
    clone: Copy, change: str, said: str
) -> None:
    clone.execute(change)
    with pytest.raises(GateFailed, match=said):
        pipeline.publish_candidate()
    assert clone.value("select to_regclass('marts.predictions')") is None
    assert clone.rows("select 1 from raw.builds where status = 'published'") == []


@contextmanager
def _edited(file: Path, old: str, new: str) -> Iterator[None]:
    before = file.read_text()
    assert before.count(old) == 1
    file.write_text(before.replace(old, new))
    try:
        yield
    finally:
        file.write_text(before)


@pytest.mark.parametrize(
    ("file", "old", "new", "models", "said"),
    [
        pytest.param(
            "models/marts/readmission/roi/financial_projections.sql",
            "patients.annual_cost / 365",
            "patients.annual_cost / 360",
            ["financial_projections"],
            "assert_projections_follow_the_rules",
            id="a year of 360 days",
        ),
        pytest.param(
            "models/intermediate/readmission/int_tiered_predictions.sql",
            "        tiers.risk_tier,",
            "        cast(greatest(tiers.risk_tier - 1, 1) as smallint) as risk_tier,",
            ["int_tiered_predictions", "predictions", "past_predictions"],
            "assert_tiers_hold_their_scores",
            id="a tier too low",
        ),
        pytest.param(
            "models/marts/readmission/roi/roi_sums.sql",
            "count(*) filter (where projections.roi_category = 'EXCELLENT')",
            "count(*)",
            ["roi_sums", "roi_by_department", "roi_aggregations"],
            "assert_department_returns_are_their_patients",
            id="a count without its filter",
        ),
    ],
)
def test_a_wrong_model_fails_its_data_tests(
    clone: Copy, file: str, old: str, new: str, models: list[str], said: str
) -> None:
    """Without the unit tests, which see it too: they know of single rows only."""
    with _edited(clone.project / file, old, new):
        nodes = clone.dbt(
            *("build", "--exclude-resource-type", "unit_test"),
            *("--select", *models),
        )
    assert said in {node.name for node in nodes.values() if node.is_bad}
