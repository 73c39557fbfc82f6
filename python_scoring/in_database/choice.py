"""Which of the two arithmetics is faster, by what was measured."""

from dataclasses import dataclass

from python_scoring import ledger


@dataclass(frozen=True)
class Cost:
    """Seconds of a run: what each takes, and what a million people take on top."""

    fixed: float
    per_million: float

    def seconds(self, people: int) -> float:
        """Seconds for some people."""
        return self.fixed + self.per_million * people / 1e6


# On two cores, by `python -m benchmarks.scoring`; docs/performance.md has the table.
MEASURED = {
    ledger.PYTHON: Cost(fixed=0.05, per_million=5.0),
    ledger.DATABASE: Cost(fixed=0.5, per_million=45.0),
}


def faster(people: int, costs: dict[str, Cost] | None = None) -> str:
    """Name the faster way to score some people; of equals, the first."""
    costs = MEASURED if costs is None else costs
    return min(costs, key=lambda way: costs[way].seconds(people))
