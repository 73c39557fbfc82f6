"""Keys, checks and indexes: what the YAML declares is what the catalogue has."""

import re
from typing import Any

import psycopg
import pytest
from copies import Copy

Key = tuple[Any, ...]

_CATALOGUE = """
select c.relname, k.contype, array_agg(a.attname::text order by n.place),
    parent.relname, k.conname, k.convalidated
from pg_constraint as k
inner join pg_class as c on k.conrelid = c.oid
inner join pg_namespace as s on c.relnamespace = s.oid
left join pg_class as parent on k.confrelid = parent.oid and k.contype = 'f'
left join unnest(k.conkey) with ordinality as n (attnum, place) on true
left join pg_attribute as a on a.attrelid = c.oid and a.attnum = n.attnum
where (s.nspname = %s or c.relname = 'patient_registry')
    and k.contype in ('p', 'u', 'f', 'c')
group by c.relname, k.contype, k.oid, parent.relname, k.conname, k.convalidated
"""
_NOT_NULL = """
select c.relname, a.attname
from pg_attribute as a
inner join pg_class as c on a.attrelid = c.oid
inner join pg_namespace as s on c.relnamespace = s.oid
where (s.nspname = %s or c.relname = 'patient_registry')
    and c.relkind = 'r' and a.attnum > 0 and a.attnotnull
"""
_INDEXES = """
select c.relname, array_agg(a.attname::text order by n.place)
from pg_index as i
inner join pg_class as c on i.indrelid = c.oid
inner join pg_namespace as s on c.relnamespace = s.oid
inner join unnest(i.indkey) with ordinality as n (attnum, place) on true
inner join pg_attribute as a on a.attrelid = c.oid and a.attnum = n.attnum
where s.nspname = %s and not i.indisprimary and not i.indisunique
group by c.relname, i.indexrelid
"""


def _declared(models: list[dict[str, Any]]) -> set[Key]:
    aliases = {model["name"]: model["alias"] for model in models}
    keys: set[Key] = set()
    for model in models:
        table = model["alias"]
        for constraint in model["constraints"]:
            kind, columns = constraint["type"], tuple(constraint["columns"])
            if kind == "check":
                keys.add((table, "c", f"{table}_{constraint['name']}_check"))
            elif kind == "foreign_key":
                [parent] = re.findall(r"ref\('(\w+)'\)", constraint["to"])
                keys.add((table, "f", columns, aliases[parent]))
            else:
                keys.add((table, {"primary_key": "p", "unique": "u"}[kind], columns))
        keys |= {
            (table, "not null", name)
            for name, column in model["columns"].items()
            if any(c["type"] == "not_null" for c in column["constraints"])
        }
        keys |= {
            (table, "index", tuple(index["columns"]))
            for index in model["config"].get("indexes") or []
        }
    return keys


def _attached(copy: Copy, schema: str) -> set[Key]:
    keys: set[Key] = set()
    for table, kind, columns, parent, name, is_validated in copy.rows(
        _CATALOGUE, schema
    ):
        assert is_validated, name
        if kind == "c":
            keys.add((table, "c", name))
        elif kind == "f":
            keys.add((table, "f", tuple(columns), parent))
        else:
            keys.add((table, kind, tuple(columns)))
    keys |= {
        (table, "not null", column) for table, column in copy.rows(_NOT_NULL, schema)
    }
    keys |= {
        (table, "index", tuple(names)) for table, names in copy.rows(_INDEXES, schema)
    }
    return keys


@pytest.fixture(scope="module")
def declared(built: Copy) -> set[Key]:
    with built.in_force():
        nodes = built.manifest()["nodes"].values()
    return _declared(
        [
            node
            for node in nodes
            if node["resource_type"] == "model" and node["contract"]["enforced"]
        ]
    )


def test_every_kind_of_key_is_declared(declared: set[Key]) -> None:
    assert {key[1] for key in declared} == {"p", "u", "f", "c", "not null", "index"}


def test_full_build_attaches_every_key(base: Copy, declared: set[Key]) -> None:
    assert _attached(base, "build_1") == declared


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--select", "patients"),
        ("run", "--select", "core_organizations", "predictions"),
        ("build", "--full-refresh", "--exclude-resource-type", "test", "unit_test"),
    ],
    ids=lambda arguments: " ".join(arguments[:4]),
)
def test_partial_runs_and_refreshes_leave_every_key(
    clone: Copy, declared: set[Key], arguments: tuple[str, ...]
) -> None:
    clone.run(*arguments)
    assert _attached(clone, "candidate") == declared


def test_keys_hold(clone: Copy) -> None:
    for statement, said in (
        ("delete from candidate.patients", "patient_features_patient_id_fkey"),
        (
            "update candidate.predictions set risk_score = 1.5",
            "predictions_score_check",
        ),
        (
            "insert into candidate.departments select * from candidate.departments",
            "_pkey",
        ),
        ("update candidate.patients set patient_uuid = null", "null value"),
    ):
        with pytest.raises(psycopg.Error, match=said):
            clone.execute(statement)
