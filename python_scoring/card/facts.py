"""What the warehouse holds of one model: the facts of its card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from python_scoring.errors import BadInput

EVERYONE = "all"


@dataclass(frozen=True, kw_only=True)
class Registered:
    """The model's line in ``raw.model_registry``."""

    model_version: str
    target: str
    role: str
    is_champion: bool
    trained_at: datetime
    training_fingerprint: str
    training_rows: int
    training_patients: int
    feature_names: list[str]
    reference_patient: dict[str, Any]
    library_versions: dict[str, str]
    metrics: dict[str, Any]
    candidates: dict[str, Any]
    chosen: dict[str, Any]
    artifact_file: str
    artifact_sha256: str

    @property
    def is_synthetic(self) -> bool:
        """Whether it has learnt from generated people only."""
        return bool(self.metrics.get("is_synthetic"))


@dataclass(frozen=True)
class Term:
    """A time in which the model was in force; the last one may be open."""

    promoted_at: datetime
    retired_at: datetime | None


@dataclass(frozen=True)
class Load:
    """A training history: whose, as of when, how many rows."""

    org_code: str
    as_of_date: date
    source: str
    row_count: int


@dataclass(frozen=True)
class Evaluation:
    """The latest evaluation of the model on one cohort."""

    evaluation_id: int
    org_code: str
    as_of_date: date
    status: str
    reason: str | None
    patient_count: int
    artifact_sha256: str | None
    scores_sha256: str | None
    evaluated_at: datetime

    @property
    def is_evaluated(self) -> bool:
        """False where nothing is known of how the model did."""
        return self.status == "evaluated"

    def __str__(self) -> str:
        """Name the cohort."""
        return f"{self.org_code} as of {self.as_of_date}"


@dataclass(frozen=True)
class Figure:
    """A figure with its interval; None where too few people give none."""

    value: float | None
    lower: float | None
    upper: float | None
    patient_count: int
    event_count: int
    is_small: bool


@dataclass(frozen=True)
class Bin:
    """A tier or decile: what was expected of its people and what came about."""

    window_days: int
    kind: str
    number: int
    patient_count: int
    expected_rate: float | None
    event_count: int
    observed_rate: float | None
    lower: float | None
    upper: float | None


@dataclass(frozen=True)
class Threshold:
    """What calling everybody at or above a threshold would have come to."""

    window_days: int
    threshold: float
    flagged_count: int
    sensitivity: float | None
    specificity: float | None
    ppv: float | None
    net_benefit: float | None
    net_benefit_all: float | None


Key = tuple[int, int, str, str, str]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that the card says in numbers.

    ``figures`` are by evaluation, window, group, its value and the figure's name;
    ``judged`` is the evaluation that the card goes into.
    """

    model: Registered
    terms: Sequence[Term]
    loads: Sequence[Load]
    evaluations: Sequence[Evaluation]
    judged: Evaluation
    figures: Mapping[Key, Figure]
    bins: Sequence[Bin]
    thresholds: Sequence[Threshold]

    @property
    def windows(self) -> list[int]:
        """Days of the windows, shortest first."""
        own = (key for key in self.figures if key[0] == self.judged.evaluation_id)
        return sorted({key[1] for key in own})

    def figure(
        self,
        days: int,
        metric: str,
        group: tuple[str, str] = (EVERYONE, EVERYONE),
        evaluation: Evaluation | None = None,
    ) -> Figure:
        """Find a figure, which may be None for a group of people.

        Raises
        ------
        BadInput
            It is not in the warehouse.
        """
        cohort = evaluation or self.judged
        found = self.figures.get((cohort.evaluation_id, days, *group, metric))
        if found is None:
            raise BadInput(
                f"card: {self.model.model_version} on {cohort}, {days} days, "
                f"{' '.join(group)}: no {metric}; expected `riskmart evaluate` to "
                "have written it"
            )
        return found

    def known(self, days: int, metric: str) -> Figure:
        """Find a figure of everyone in the cohort judged, which must be a number.

        Raises
        ------
        BadInput
            There is none, or too few people gave none.
        """
        found = self.figure(days, metric)
        if found.value is None:
            raise BadInput(
                f"card: {self.model.model_version} on {self.judged}, {days} days: "
                f"{metric} is null; expected a cohort with people of both kinds"
            )
        return found

    def groups(self, days: int) -> list[tuple[str, str]]:
        """List groups of people other than everyone, by kind; bands from the lowest."""
        found = {
            (group, value)
            for evaluation_id, window, group, value, _ in self.figures
            if evaluation_id == self.judged.evaluation_id
            and window == days
            and group != EVERYONE
        }
        return sorted(found, key=lambda one: (one[0], "under" not in one[1], one[1]))
