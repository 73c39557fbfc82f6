"""The house rules, over what dbt read of the project; no database needed."""

import ast
import csv
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from copies import REPOSITORY, Copy

from python_scoring.readmission.features import FEATURE_NAMES

Node = Mapping[str, Any]
LAYERS = ("staging", "intermediate", "marts")
LONGEST_MODEL = 110
LONGEST_MACRO = 30

# Assertions that must be empty: a row is a fault, and faults have no key.
_WITHOUT_KEY = ("int_rule_faults",)
# Identity lives in raw, so it is named for its relation there.
_NAMED_FOR_RELATION = ("patient_registry",)
_KEY_TESTS = ("unique_key", "has_one_row")
_CLOCK = re.compile(
    r"run_started_at|\bnow\s*\(|\bcurrent_(date|time|timestamp)\b"
    r"|\blocaltime|_timestamp\s*\(\s*\)\s*at|clock_timestamp|getdate|modules\.datetime",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def manifest(project_copy: Copy) -> dict[str, Any]:
    with project_copy.in_force():
        return project_copy.manifest()


@pytest.fixture(scope="module")
def models(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Models, each with the names of the tests that are attached to it."""
    nodes = manifest["nodes"].values()
    models = [node for node in nodes if node["resource_type"] == "model"]
    for model in models:
        attached = [
            node["test_metadata"]
            for node in nodes
            if node["resource_type"] == "test"
            and node.get("test_metadata")
            and node["attached_node"] == model["unique_id"]
        ]
        model["tests"] = [test["name"] for test in attached]
        model["unique_keys"] = [
            test["kwargs"]["columns"]
            for test in attached
            if test["name"] == "unique_key"
        ]
    assert len(models) > 40
    return models


def layer(node: Node) -> str:
    return node["fqn"][1]


def reading_layer(node: Node) -> str:
    """Layer whose parents a model may read: of an ephemeral one, that of marts."""
    is_part = node["config"]["materialized"] == "ephemeral"
    return "marts" if is_part else layer(node)


def is_mart(node: Node) -> bool:
    return layer(node) == "marts"


# Each rule takes a model and says what is wrong with it, if anything.


def name_fault(model: Node) -> str | None:
    name, folder = model["name"], Path(model["original_file_path"]).parent.name
    if name in _NAMED_FOR_RELATION:
        return None
    if layer(model) == "staging":
        fits = name.startswith(f"stg_{folder}__")
    elif layer(model) == "intermediate":
        fits = name.startswith("int_")
    else:
        fits = not name.startswith(("stg_", "int_", "fct_", "dim_", "mart_"))
        if name.startswith("core_"):
            fits = fits and model["alias"] == name.removeprefix("core_")
        else:
            fits = fits and model["alias"] == name
    return None if fits else f"{name} is no name for {layer(model)}/{folder}"


def schema_fault(model: Node) -> str | None:
    wanted = "candidate" if is_mart(model) else layer(model)
    wanted = "raw" if model["name"] in _NAMED_FOR_RELATION else wanted
    return None if model["schema"] == wanted else f"in schema {model['schema']}"


def direction_fault(model: Node) -> str | None:
    """Staging reads sources and seeds; the others only models from below, or seeds.

    An ephemeral model is part of a mart's SQL: it reads what marts read, and none but
    marts read it.
    """
    own = reading_layer(model)
    for parent in model["depends_on"]["nodes"]:
        kind, _, *path = parent.split(".")
        if kind == "source" and layer(model) != "staging":
            return f"reads {parent}"
        if kind == "model":
            above = LAYERS.index(model["parent_layers"][path[0]])
            if own == "staging" or above > LAYERS.index(own):
                return f"reads {parent}"
    return None


def file_fault(model: Node) -> str | None:
    path = Path(model["original_file_path"])
    # All versions of a mart are described in one file.
    wanted = path.with_name(re.sub(r"_v\d+$", "", path.stem) + ".yml")
    given = (model["patch_path"] or "").removeprefix("riskmart://")
    return None if given == str(wanted) else f"described in {given or 'no file'}"


def description_fault(model: Node) -> str | None:
    opens = re.match(r"One row( per \w|: )", model["description"])
    return None if opens else "its description does not open with the grain"


def columns_fault(model: Node) -> str | None:
    if not is_mart(model):
        return None
    bare = [
        name
        for name, column in model["columns"].items()
        if not (column["description"].strip() and column["data_type"])
    ]
    return f"no description or type: {', '.join(bare)}" if bare else None


_NUMBERS = ("smallint", "integer", "bigint", "double precision", "numeric")
_UNITS = re.compile(
    r"\bUSD\b|%|\b0-10?\b|\(0-100\)|\([^()]*\b1-\d+\)|\bcounts?\b|\bidentifier\b|\byears\b"
    r"|\bdays\b|\blog-odds\b|\bnats\b|\bratio\b|\b1 where\b|feature's unit|\bindex\b"
    r"|\(code\)|\bseconds\b|standard deviations|true positives a person",
    re.IGNORECASE,
)


def unit_fault(model: Node) -> str | None:
    """A number says what it is in: USD, %, 0-1, a count, days, an identifier, ..."""
    if not is_mart(model):
        return None
    bare = [
        name
        for name, column in model["columns"].items()
        if column["data_type"] in _NUMBERS and not _UNITS.search(column["description"])
    ]
    return f"no unit: {', '.join(bare)}" if bare else None


def version_fault(model: Node) -> str | None:
    """A mart has a version, the latest of which bears the plain name."""
    # dbt takes no time spine from a model with versions.
    if not is_mart(model) or model.get("time_spine"):
        return None
    if not model["version"]:
        return "has no version"
    is_plain = model["alias"] in (model["name"], model["name"].removeprefix("core_"))
    is_latest = model["version"] == model["latest_version"]
    return None if is_plain == is_latest else f"relation {model['alias']}"


def access_fault(model: Node) -> str | None:
    """Marts are public, staging is private (but for what a mart shows as it is)."""
    allowed = {
        "staging": ("private", "protected"),
        "intermediate": ("protected",),
        "marts": ("public",),
    }
    if not model["group"]:
        return "belongs to no group"
    fits = model["access"] in allowed[layer(model)]
    return None if fits else f"is {model['access']}"


def contract_fault(model: Node) -> str | None:
    if not is_mart(model):
        return None
    if not model["contract"]["enforced"]:
        return "no enforced contract"
    keys = [c for c in model["constraints"] if c["type"] == "primary_key"]
    # A view can have none; `key_fault` sees to it that its key is tested.
    wanted = 0 if model["config"]["materialized"] == "view" else 1
    return None if len(keys) == wanted else f"{len(keys)} primary keys"


def view_fault(model: Node) -> str | None:
    """A view among the marts must not show more than its reader may see."""
    if not is_mart(model) or model["config"]["materialized"] != "view":
        return None
    hooks = " ".join(hook["sql"] for hook in model["config"]["post-hook"])
    return None if "ask_as_reader()" in hooks else "reads as its owner"


def key_fault(model: Node) -> str | None:
    if model["name"].startswith(_WITHOUT_KEY):
        return None
    return None if set(model["tests"]) & set(_KEY_TESTS) else "no tested key"


def primary_key_fault(model: Node) -> str | None:
    """What keeps a primary key unique in a DuckDB file, which has none, is its test."""
    for key in model["constraints"]:
        if key["type"] == "primary_key" and key["columns"] not in model["unique_keys"]:
            return f"primary key {key['columns']}, and unique_key of no such columns"
    return None


def length_fault(model: Node) -> str | None:
    lines = [line for line in model["raw_code"].splitlines() if line.strip()]
    return None if len(lines) <= LONGEST_MODEL else f"{len(lines)} lines"


def clock_fault(node: Node) -> str | None:
    found = _CLOCK.search(node.get("raw_code") or node.get("macro_sql") or "")
    return f"has a clock: {found[0]}" if found else None


def distinct_fault(model: Node) -> str | None:
    found = re.search(r"select\s+distinct\b", model["raw_code"], re.IGNORECASE)
    return "hides a fan-out by select distinct" if found else None


def ending_fault(model: Node) -> str | None:
    """The last line selects all of the last step, which has a name."""
    ends = re.search(r"\nselect \* from \w+\s*$", model["raw_code"])
    return None if ends else "does not end with select * from a named step"


RULES: list[Callable[[Node], str | None]] = [
    name_fault,
    schema_fault,
    direction_fault,
    file_fault,
    description_fault,
    columns_fault,
    unit_fault,
    version_fault,
    access_fault,
    contract_fault,
    view_fault,
    key_fault,
    primary_key_fault,
    length_fault,
    clock_fault,
    distinct_fault,
    ending_fault,
]


def add_layers(models: Iterable[dict[str, Any]]) -> None:
    layers = {model["name"]: reading_layer(model) for model in models}
    for model in models:
        model["parent_layers"] = layers


@pytest.mark.parametrize("rule", RULES)
def test_every_model_keeps_the_rule(
    models: list[dict[str, Any]], rule: Callable[[Node], str | None]
) -> None:
    add_layers(models)
    faults = {model["name"]: rule(model) for model in models}
    assert {name: fault for name, fault in faults.items() if fault} == {}


GOOD: dict[str, Any] = {
    "name": "visits",
    "alias": "visits",
    "schema": "candidate",
    "fqn": ["riskmart", "marts", "core", "visits"],
    "original_file_path": "models/marts/core/visits.sql",
    "patch_path": "riskmart://models/marts/core/visits.yml",
    "description": "One row per visit.",
    "columns": {
        "visit_id": {"description": "The visit (identifier).", "data_type": "bigint"}
    },
    "version": 1,
    "latest_version": 1,
    "access": "public",
    "group": "care_programme",
    "contract": {"enforced": True},
    "config": {"materialized": "table", "post-hook": []},
    "constraints": [{"type": "primary_key", "columns": ["visit_id"]}],
    "tests": ["unique_key"],
    "unique_keys": [["visit_id"]],
    "depends_on": {"nodes": ["model.riskmart.int_visits", "seed.riskmart.races"]},
    "parent_layers": {"int_visits": "intermediate", "visits": "marts"},
    "raw_code": "with\n\nvisits as (\n    select 1\n)\n\nselect * from visits\n",
}
_VIEW = {"materialized": "view", "post-hook": [{"sql": "analyze visits"}]}
_INTERMEDIATE = ["riskmart", "intermediate", "patients", "int_visits"]

# What is done to the good model, and the rule that must say so.
BAD: list[tuple[Callable[[Node], str | None], dict[str, Any]]] = [
    (name_fault, {"name": "int_visits"}),
    (name_fault, {"name": "core_visits", "alias": "core_visits"}),
    (name_fault, {"fqn": _INTERMEDIATE}),
    (name_fault, {"fqn": ["riskmart", "staging", "cms", "x"], "name": "stg_visits"}),
    (schema_fault, {"schema": "public"}),
    (direction_fault, {"depends_on": {"nodes": ["source.riskmart.cms.claims"]}}),
    (
        direction_fault,
        {"fqn": _INTERMEDIATE, "depends_on": {"nodes": ["model.riskmart.visits"]}},
    ),
    (
        direction_fault,
        {
            **{"fqn": _INTERMEDIATE, "parent_layers": {"int_part": "marts"}},
            "depends_on": {"nodes": ["model.riskmart.int_part"]},
        },
    ),
    (file_fault, {"patch_path": "riskmart://models/marts/core/core.yml"}),
    (file_fault, {"patch_path": None}),
    (description_fault, {"description": "Visits, one row per visit."}),
    (columns_fault, {"columns": {"a": {"description": " ", "data_type": "text"}}}),
    (columns_fault, {"columns": {"a": {"description": "A.", "data_type": None}}}),
    (unit_fault, {"columns": {"a": {"description": "A.", "data_type": "bigint"}}}),
    (version_fault, {"version": None}),
    (version_fault, {"alias": "visits_v1"}),
    (version_fault, {"latest_version": 2}),
    (access_fault, {"access": "protected"}),
    (access_fault, {"fqn": _INTERMEDIATE, "access": "public"}),
    (access_fault, {"group": None}),
    (contract_fault, {"contract": {"enforced": False}}),
    (contract_fault, {"constraints": [{"type": "unique"}]}),
    (contract_fault, {"config": _VIEW}),
    (view_fault, {"config": _VIEW, "constraints": []}),
    (key_fault, {"tests": ["same_row_count"]}),
    (primary_key_fault, {"unique_keys": [["patient_id"]]}),
    (length_fault, {"raw_code": "select 1\n" * (LONGEST_MODEL + 1)}),
    (clock_fault, {"raw_code": "select '{{ run_started_at }}'"}),
    (clock_fault, {"raw_code": "select NOW ( )"}),
    (clock_fault, {"raw_code": "where day < current_date"}),
    (distinct_fault, {"raw_code": "SELECT\n    DISTINCT a from b"}),
    (ending_fault, {"raw_code": "select a from b"}),
]


@pytest.mark.parametrize(("rule", "change"), BAD)
def test_rule_sees_a_bad_model(
    rule: Callable[[Node], str | None], change: dict[str, Any]
) -> None:
    assert rule(GOOD) is None
    assert rule(GOOD | change)


def test_every_rule_is_shown_to_bite() -> None:
    assert {rule for rule, _ in BAD} == set(RULES)


def test_sources_are_tables_that_python_makes(manifest: dict[str, Any]) -> None:
    made = set(
        re.findall(
            r"create (?:table if not exists|or replace view) raw\.(\w+)",
            (REPOSITORY / "python_scoring" / "raw_tables.sql").read_text(),
        )
    )
    named = {(s["schema"], s["identifier"]) for s in manifest["sources"].values()}
    assert named == {("raw", table) for table in made}
    assert all(s["description"] for s in manifest["sources"].values())


def test_exposures_say_whose_they_are_and_read_published_marts(
    manifest: dict[str, Any],
) -> None:
    exposures = manifest["exposures"].values()
    assert {exposure["name"] for exposure in exposures} == {
        *("dashboard_overview", "dashboard_departments", "dashboard_target_list"),
        *("dashboard_patient", "dashboard_model_trust", "dashboard_what_if"),
        *("dashboard_pays", "report", "superset_bundle", "target_command"),
    }
    for exposure in exposures:
        assert exposure["owner"]["name"]
        assert exposure["description"]
        read = [manifest["nodes"][uid] for uid in exposure["depends_on"]["nodes"]]
        assert read
        assert {node["access"] for node in read} == {"public"}


def test_what_the_dashboard_reads_is_what_its_exposures_name(
    manifest: dict[str, Any], models: list[dict[str, Any]]
) -> None:
    marts = {model["alias"] for model in models if is_mart(model)}
    exposed = {
        manifest["nodes"][uid]["alias"]
        for exposure in manifest["exposures"].values()
        if exposure["name"].startswith("dashboard_")
        for uid in exposure["depends_on"]["nodes"]
    }
    assert exposed == marts_in(REPOSITORY / "python_scoring" / "dashboard", marts)


def test_what_target_reads_is_what_its_exposure_names(
    manifest: dict[str, Any],
) -> None:
    code = (REPOSITORY / "python_scoring" / "readmission" / "budgets.py").read_text()
    exposure = manifest["exposures"]["exposure.riskmart.target_command"]
    named = {manifest["nodes"][uid]["alias"] for uid in exposure["depends_on"]["nodes"]}
    assert named == set(re.findall(r"\{schema\}\.(\w+)", code))


def marts_in(folder: Path, marts: Iterable[str]) -> set[str]:
    """Find the marts that Python reads: in its SQL, and where a name stands alone.

    A function that says `_SUPPRESSED` reads the suppressed twin besides.
    """
    known, found = set(marts), set()
    for file in folder.rglob("*.py"):
        tree = ast.parse(file.read_text())
        found |= _marts_named(tree) | (_strings(tree) & known)
        for part in ast.walk(tree):
            if isinstance(part, ast.FunctionDef) and "_SUPPRESSED" in {
                name.id for name in ast.walk(part) if isinstance(name, ast.Name)
            }:
                twins = {f"{name}_suppressed" for name in _strings(part) & known}
                found |= twins & known
    return found


def _strings(tree: ast.AST) -> set[str]:
    return {
        part.value
        for part in ast.walk(tree)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    }


def _marts_named(tree: ast.AST) -> set[str]:
    return {
        name
        for text in _strings(tree)
        for name in re.findall(r"\b(?:from|join) marts\.(\w+)", text)
    }


def test_every_group_has_an_owner_and_models(manifest: dict[str, Any]) -> None:
    owned = {node.get("group") for node in manifest["nodes"].values()} - {None}
    groups = {group["name"]: group for group in manifest["groups"].values()}
    assert set(groups) == owned
    assert all(group["owner"]["name"] for group in groups.values())


def test_every_seed_is_described(manifest: dict[str, Any]) -> None:
    seeds = [n for n in manifest["nodes"].values() if n["resource_type"] == "seed"]
    assert seeds
    assert [s["name"] for s in seeds if description_fault(s)] == []


def test_no_test_is_switched_off_or_blunted(manifest: dict[str, Any]) -> None:
    tests = [n for n in manifest["nodes"].values() if n["resource_type"] == "test"]
    assert not manifest["disabled"]
    assert {t["config"]["error_if"] for t in tests} == {"!= 0"}
    assert {t["name"] for t in tests if t["config"]["severity"] != "ERROR"} == {
        "derived_columns_of_loaded_files_differ",
        "unscored_patients__run_riskmart_build",
        "unevaluated_models__run_riskmart_build",
        "cohorts_drift_from_training__see_model_drift",
    }


def _own_macros(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        macro
        for macro in manifest["macros"].values()
        if macro["package_name"] == "riskmart"
        and macro["original_file_path"].startswith("macros/")
    ]


def test_macros_are_one_a_file_short_and_without_a_clock(
    manifest: dict[str, Any],
) -> None:
    macros = _own_macros(manifest)
    for macro in macros:
        lines = [line for line in macro["macro_sql"].splitlines() if line.strip()]
        assert len(lines) - 2 <= LONGEST_MACRO, macro["name"]
        assert macro["name"] == "run_timestamp" or not clock_fault(macro)
    for path in sorted((REPOSITORY / "macros").glob("*.sql")):
        here = [m for m in macros if Path(m["original_file_path"]).name == path.name]
        # What another engine says in its place stands beside it, if it is short.
        of_an_engine = {
            f"{engine}__{path.stem}" for engine in ("default", "duckdb", "postgres")
        }
        public = [
            m["name"]
            for m in here
            if not m["name"].startswith("_") and m["name"] not in of_an_engine
        ]
        assert public == [path.stem]
        assert re.match(r"\{#-?\s+\S", path.read_text()), f"{path.name}: no comment"


def _rows(path: str) -> list[tuple[str, ...]]:
    with (REPOSITORY / "seeds" / path).open(newline="", encoding="utf-8") as lines:
        return [tuple(row) for row in list(csv.reader(lines))[1:]]


def test_one_feature_list_for_sql_and_python(models: list[dict[str, Any]]) -> None:
    listed = [row[1] for row in _rows("reference/features.csv")]
    [mart] = [model for model in models if model["name"] == "patient_features"]
    columns = list(mart["columns"])
    keys = ["patient_id", "organization_id", "department_id", "index_date"]
    assert columns[:4] == keys
    assert columns[4:] == listed == list(FEATURE_NAMES)
    assert len(listed) == 27
    groups = [row[2] for row in _rows("reference/features.csv")]
    assert {group: groups.count(group) for group in groups} == {
        "demographics": 5,
        "conditions": 10,
        "utilisation": 6,
        "cost": 4,
        "derived": 2,
    }


# DESIGN.md's table of assumptions: tier, costs, rates at 30/60/90 days.
_ASSUMPTIONS = {
    1: ((20, 35, 50), (0.05, 0.15, 0.25)),
    2: ((150, 250, 350), (0.15, 0.30, 0.40)),
    3: ((300, 500, 700), (0.30, 0.45, 0.50)),
    4: ((500, 850, 1150), (0.45, 0.55, 0.70)),
    5: ((900, 1500, 1900), (0.50, 0.65, 0.80)),
}


@pytest.mark.parametrize(
    ("seed", "place"), [("intervention_costs", 0), ("success_rates", 1)]
)
def test_assumptions_ship_as_designed(seed: str, place: int) -> None:
    given = {(int(t), w): float(v) for t, w, v in _rows(f"rules/{seed}.csv")}
    assert given == {
        (tier, f"{days}_day"): value
        for tier, both in _ASSUMPTIONS.items()
        for days, value in zip((30, 60, 90), both[place], strict=True)
    }


def test_tiers_categories_and_windows_ship_as_designed() -> None:
    tiers = [(n, float(a), float(b)) for _, n, a, b in _rows("rules/risk_tiers.csv")]
    assert tiers == [
        ("Normal", 0, 0.2),
        ("Low Risk", 0.2, 0.4),
        ("Moderate", 0.4, 0.6),
        ("High Risk", 0.6, 0.8),
        ("Critical", 0.8, 1),
    ]
    assert _rows("rules/roi_categories.csv") == [
        ("EXCELLENT", "75"),
        ("STRONG", "50"),
        ("POSITIVE", "0"),
        ("NO_ROI", ""),
    ]
    assert _rows("rules/prediction_windows.csv") == [
        (f"{days}_day", str(days)) for days in (30, 60, 90)
    ]


def test_departments_ship_in_the_designs_order() -> None:
    order = {int(row[0]): row[1] for row in _rows("rules/departments.csv")}
    wanted = "CARDIOLOGY NEPHROLOGY ENDOCRINOLOGY PULMONOLOGY NEUROLOGY ONCOLOGY"
    wanted += " PSYCHIATRY RHEUMATOLOGY GERIATRICS GENERAL_MEDICINE"
    assert order == dict(enumerate(wanted.split(), start=1))
    rules = [row[1:] for row in _rows("rules/department_rules.csv")]
    assert rules == [
        ("CARDIOLOGY", "has_chf", "=", "1"),
        ("CARDIOLOGY", "has_ischemic_heart", "=", "1"),
        ("NEPHROLOGY", "has_ckd", "=", "1"),
        ("NEPHROLOGY", "has_esrd", "=", "1"),
        ("ENDOCRINOLOGY", "has_diabetes", "=", "1"),
        ("PULMONOLOGY", "has_copd", "=", "1"),
        ("NEUROLOGY", "has_stroke", "=", "1"),
        ("NEUROLOGY", "has_alzheimers", "=", "1"),
        ("ONCOLOGY", "has_cancer", "=", "1"),
        ("PSYCHIATRY", "has_depression", "=", "1"),
        ("RHEUMATOLOGY", "has_ra_oa", "=", "1"),
        ("GERIATRICS", "is_elderly", "=", "1"),
        ("GERIATRICS", "complexity_index", ">", "5"),
        ("GENERAL_MEDICINE", "", "", ""),
    ]
