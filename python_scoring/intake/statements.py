"""SQL around the models' own: who is concerned, and their rows into the build.

``@build@`` stands for the schema that the build is in, ``@copies@`` for that of the
copies beside it.
"""

from collections.abc import Iterable, Iterator

from python_scoring.intake.plan import FEATURES, Step

TOUCHED = """
insert into pg_temp.touched (org_code, external_id)
select distinct org_code, external_id from raw.new_patients where entry_id > %s
"""
HAS_NEWCOMERS = """
select exists (
    select 1 from pg_temp.touched left join raw.patient_registry as registry
        using (org_code, external_id)
    where registry.patient_id is null
)
"""
# As the model patient_registry does it, and behind the same lock.
LOCK_REGISTRY = "lock table raw.patient_registry in share row exclusive mode"
REGISTER = """
insert into raw.patient_registry (
    org_code, external_id, patient_id, patient_uuid, registered_at
)
select org_code, external_id,
    row_number() over (order by org_code, external_id)
    + (select raw.last_patient_id()),
    gen_random_uuid(), now()
from pg_temp.touched left join raw.patient_registry as registry
    using (org_code, external_id)
where registry.patient_id is null
"""
FILLS = {
    "raw_new_patients": """
insert into pg_temp.raw_new_patients
select records.* from raw.new_patients as records
inner join pg_temp.touched using (org_code, external_id)
""",
    "patient_registry": """
insert into pg_temp.patient_registry
select registry.* from raw.patient_registry as registry
inner join pg_temp.touched using (org_code, external_id)
""",
    # Who is in the build by a row of the cohort; a record that took its place stays.
    "int_reference_people": """
insert into pg_temp.int_reference_people (
    load_id, organization_id, as_of_date, external_id
)
select loads.load_id, loads.organization_id, loads.as_of_date, registry.external_id
from pg_temp.patient_registry as registry
inner join @build@.patients using (patient_id)
inner join @copies@.int_cohort_loads as loads
    on loads.organization_id = patients.organization_id and loads.is_current
where patients.data_source <> 'NEW_PATIENT'
""",
    "raw_predictions": """
insert into pg_temp.raw_predictions
select ledger.* from raw.predictions as ledger
inner join pg_temp.patient_registry using (patient_id)
""",
    "raw_visible_batches": """
insert into pg_temp.raw_visible_batches
select batch_id, target, model_version, scored_at, row_count
from raw.prediction_batches as batches
where batches.batch_id in (select batch_id from pg_temp.raw_predictions)
""",
}
CURRENT = f"select patient_id from pg_temp.{FEATURES} where is_current"
ORGANIZATIONS = f"select organization_id from pg_temp.{FEATURES} where is_current"
# Of whose record came too late to count, everything stays as it is.
LEAVE = f"delete from pg_temp.raw_predictions where patient_id not in ({CURRENT})"
BEFORE = {
    "int_current_patients": f"""
insert into pg_temp.int_current_patients (patient_id, organization_id)
select patient_id, organization_id from @build@.patients
where patient_id in ({CURRENT})
"""
}
LOG = """
insert into raw.patient_feature_engineering_log (
    input_id, reference_load_id, feature_version, patient_id, build_id
)
select people.input_id, loads.reference_load_id, builds.feature_version,
    registry.patient_id, builds.build_id
from {people} as people
inner join {loads} as loads using (load_id)
inner join {registry} as registry
    on people.org_code = registry.org_code
    and people.external_id = registry.external_id
inner join raw.builds on builds.build_id = {build_id}
on conflict do nothing
"""


def _names(columns: Iterable[str], of: str = "") -> str:
    return ", ".join(f"{of}{column}" for column in columns)


def insert(step: Step) -> str:
    """Make the people's rows of a relation, in its temporary table."""
    return (
        f"insert into pg_temp.{step.name} ({_names(step.columns)})"
        f" select {_names(step.columns)} from ({step.statement}\n) as rows"
    )


def rows_of_build(step: Step) -> str:
    """Fetch the rows that the build has of them."""
    return (
        f"insert into pg_temp.{step.name} ({_names(step.columns)})"
        f" select {_names(step.columns)} from {step.relation}"
        f" where patient_id in ({CURRENT})"
    )


def delete(step: Step) -> str:
    """Take out rows that the people do not have any more, as of a target list."""
    same = " and ".join(f"rows.{key} = made.{key}" for key in step.key_columns)
    return (
        f"delete from {step.relation} as rows where patient_id in ({CURRENT})"
        f" and not exists (select 1 from pg_temp.{step.name} as made where {same})"
    )


def upsert(step: Step) -> str:
    """Put their rows of a mart into the build."""
    return (
        f"insert into {step.relation} ({_names(step.columns)})"
        f" select {_names(step.columns)} from pg_temp.{step.name}"
        f" on conflict ({_names(step.key_columns)}) {_update(step)}"
    )


def renew(step: Step) -> str:
    """Make a summary anew for their organizations."""
    return (
        f"insert into {step.relation} ({_names(step.columns)})"
        f" select {_names(step.columns)} from ({step.statement}\n) as rows"
        f" where organization_id in ({ORGANIZATIONS})"
        f" on conflict ({_names(step.key_columns)}) {_update(step)}"
    )


def _update(step: Step) -> str:
    others = [c for c in step.columns if c not in step.key_columns]
    changes = ", ".join(f"{column} = excluded.{column}" for column in others)
    return f"do update set {changes}" if others else "do nothing"


def add(step: Step) -> Iterator[str]:
    """Add what the people are now, and take off what they were before."""
    measures = [c for c in step.columns if c not in step.key_columns]
    keys = _names(step.key_columns)
    totals = ", ".join(f"sum({m}) as {m}" for m in measures)
    added = ", ".join(f"{m} = present.{m} + excluded.{m}" for m in measures)
    yield (
        f"insert into {step.relation} as present ({keys}, {_names(measures)})"
        f" select {keys}, {totals} from ("
        f"select {keys}, {_names(measures)} from ({step.statement}\n) as after"
        f" union all select {keys}, {_names(measures, '-')}"
        f" from pg_temp.{step.name}_before) as changes"
        f" group by {keys} on conflict ({keys}) do update set {added}"
    )
    # What is left of sums then is the last digits of their rounding.
    yield f"delete from {step.relation} where patient_count = 0"
