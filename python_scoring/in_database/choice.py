"""Which of the two arithmetics is faster, by what was measured."""

from collections.abc import Mapping
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


# The processor's seconds, by `python -m benchmarks.scoring`, which says whether they
# still pick the faster way; docs/performance.md has the table.
MEASURED = {
    "postgresql": {
        ledger.PYTHON: Cost(fixed=0.05, per_million=9.7),
        ledger.DATABASE: Cost(fixed=0.4, per_million=54.4),
    },
    "duckdb": {
        ledger.PYTHON: Cost(fixed=0.01, per_million=1.9),
        ledger.DATABASE: Cost(fixed=0.25, per_million=10.8),
    },
}


def faster(
    engine: str, people: int, costs: Mapping[str, Mapping[str, Cost]] = MEASURED
) -> str:
    """Name the faster way to score some people on an engine; of equals, the first."""
    ways = costs[engine]
    return min(ways, key=lambda way: ways[way].seconds(people))
