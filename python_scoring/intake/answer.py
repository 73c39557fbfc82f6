"""What became of a submission: what the marts say of each person now."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from python_scoring.intake import target_list
from python_scoring.intake.store import Entry
from python_scoring.publication.builds import BuildRecord
from python_scoring.readmission.features import FEATURE_NAMES
from python_scoring.warehouse import Connection

_PEOPLE = """
select registry.org_code, registry.external_id, patients.patient_id,
    patients.patient_uuid::text as patient_uuid,
    patients.index_date::text as index_date, patients.data_source,
    departments.department_code, departments.department_name, {features}
from (
    select unnest(%(codes)s::text[]) as org_code, unnest(%(ids)s::text[]) as external_id
) as asked
inner join raw.patient_registry as registry using (org_code, external_id)
inner join {build}.patients using (patient_id)
inner join {build}.departments using (department_id)
inner join {build}.patient_features as features using (patient_id)
"""
_WINDOWS = """
select predictions.patient_id, predictions.prediction_window,
    predictions.risk_score, predictions.risk_tier, tiers.tier_name,
    predictions.model_version, reasons.reasons, projections.window_cost,
    projections.success_rate, projections.expected_savings,
    projections.intervention_cost, projections.net_benefit,
    projections.roi_percent, projections.roi_category
from {build}.predictions
inner join {build}.financial_projections as projections
    on predictions.patient_id = projections.patient_id
    and predictions.prediction_window = projections.prediction_window
inner join {build}.org_tier_summary as tiers
    on predictions.organization_id = tiers.organization_id
    and predictions.prediction_window = tiers.prediction_window
    and predictions.risk_tier = tiers.risk_tier
left join (
    select patient_id, prediction_window,
        array_agg(reason_text order by reason_rank) as reasons
    from {build}.prediction_reasons
    where patient_id = any(%(patients)s::bigint[])
    group by patient_id, prediction_window
) as reasons
    on predictions.patient_id = reasons.patient_id
    and predictions.prediction_window = reasons.prediction_window
where predictions.patient_id = any(%(patients)s::bigint[])
order by predictions.patient_id, predictions.prediction_window
"""


@dataclass(frozen=True)
class Answer:
    """What became of each record, and what the marts say of those people.

    ``people`` is by organization's code and name in the warehouse: identity,
    department, the 27 features, and for each window risk, tier, reasons and return,
    with how many stand above in the target list (None where the person is not in it).
    """

    build_id: int
    is_dry_run: bool
    entries: Sequence[Entry]
    people: dict[tuple[str, str], dict[str, Any]]

    def count(self, outcome: str) -> int:
        """How many records came to an outcome."""
        return sum(entry.outcome == outcome for entry in self.entries)

    def counts(self, entry: Entry) -> bool:
        """Whether the marts say of the person what this record says."""
        patient = self.people.get(entry.person) if entry.person else None
        return bool(patient and patient["index_date"] == str(entry.index_date))

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "build_id": self.build_id,
            "dry_run": self.is_dry_run,
            "accepted": self.count("accepted"),
            "unchanged": self.count("unchanged"),
            "rejected": self.count("rejected"),
            "records": [self._record(entry) for entry in self.entries],
        }

    def _record(self, entry: Entry) -> dict[str, Any]:
        record: dict[str, Any] = {
            "record": entry.position,
            "input_id": None if self.is_dry_run else entry.input_id,
            "outcome": entry.outcome,
        }
        if entry.faults:
            record["faults"] = [asdict(fault) for fault in entry.faults]
        if entry.person:
            record["counts"] = self.counts(entry)
            record["patient"] = self.people.get(entry.person)
        return record


def collect(
    conn: Connection, build: BuildRecord, entries: Sequence[Entry], is_dry_run: bool
) -> Answer:
    """Ask a build's marts about everybody who was not rejected."""
    persons = [entry.person for entry in entries if entry.person]
    people: dict[int, dict[str, Any]] = {}
    for row in target_list.ask(conn, build, _PEOPLE, **_keys(persons)):
        features = {name: row.pop(name) for name in FEATURE_NAMES}
        people[row["patient_id"]] = {**row, "features": features, "windows": {}}
    if people:
        _add_windows(conn, build, people)
    if is_dry_run:
        # Of a newcomer, what nobody will ever have.
        for person in people.values():
            person |= {"patient_id": None, "patient_uuid": None}
    by_person = {(p["org_code"], p["external_id"]): p for p in people.values()}
    for entry in entries:
        if entry.person in by_person:
            # To their sender, people are who they were sent as.
            by_person[entry.person]["external_id"] = entry.external_id
    return Answer(build.build_id, is_dry_run, entries, by_person)


def _keys(persons: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    return {"codes": [code for code, _ in persons], "ids": [i for _, i in persons]}


def _add_windows(
    conn: Connection, build: BuildRecord, people: dict[int, dict[str, Any]]
) -> None:
    patients = list(people)
    above = target_list.above(conn, build, patients)
    for row in target_list.ask(conn, build, _WINDOWS, patients=patients):
        patient_id, window = row.pop("patient_id"), row.pop("prediction_window")
        row["above_in_target_list"] = above.get((patient_id, window))
        people[patient_id]["windows"][window] = row
