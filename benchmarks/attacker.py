"""What can be worked out from suppressed tables: every count's feasible interval.

A linear programme holds all that outsiders know: what is published of one or several
builds, how it was rounded, and how the tables hang together. Each count is then made as
small and as large as it can be. Whole numbers lie within; a count whose interval holds
one number only is found out.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_matrix

LEAST = 11
SLACK = LEAST // 2
_EPSILON = 1e-6

Name = tuple[str | int, ...]
Count = int | None
Row = tuple[Mapping[Name, float], float]


@dataclass(frozen=True)
class Tables:
    """Counts of one organization in one build, published or true.

    Attributes
    ----------
    cells
        By department, window and tier.
    returns
        Positive and excellent, by department and window.
    moves
        By window, previous and present tier.
    """

    cells: Mapping[tuple[int, str, int], Count]
    returns: Mapping[tuple[int, str], tuple[Count, Count]]
    moves: Mapping[tuple[str, int, int], Count]


@dataclass
class Knowledge:
    """Bounds of counts, and sums of them that are known."""

    bounds: dict[Name, tuple[float, float]] = field(default_factory=dict)
    equal: list[Row] = field(default_factory=list)
    at_most: list[Row] = field(default_factory=list)

    def learn(self, build: int, seen: Tables) -> None:
        """Learn what the tables of a build show, and what holds between them."""
        shown = _shown(seen)
        for (department, window, tier), count in seen.cells.items():
            # Of a department that shows nothing, all may be withheld.
            most = LEAST - 1 if department in shown else math.inf
            self.bounds[build, "x", department, window, tier] = _read(count, most)
        self._learn_people(build, seen)
        self._learn_returns(build, seen)
        self._learn_moves(build, seen)

    def _learn_people(self, build: int, seen: Tables) -> None:
        """Learn that a department's people are the same in each window."""
        for department, window in {(d, w) for d, w, _ in seen.cells}:
            people = (build, "n", department)
            self.bounds[people] = (0, math.inf)
            cells = _cells(build, seen, department, window)
            self.equal.append(({**dict.fromkeys(cells, 1), people: -1}, 0))
        for window, tier in {(w, t) for _, w, t in seen.cells}:
            total = (build, "t", window, tier)
            self.bounds[total] = (0, math.inf)
            added = {
                (build, "x", d, w, t): 1
                for d, w, t in seen.cells
                if (w, t) == (window, tier)
            }
            self.equal.append(({**added, total: -1}, 0))

    def _learn_returns(self, build: int, seen: Tables) -> None:
        """Learn that who has an excellent return has a positive one, and is there."""
        for (department, window), counts in seen.returns.items():
            people = [
                count
                for (d, w, _), count in seen.cells.items()
                if (d, w) == (department, window) and count is not None
            ]
            above: Name = (build, "n", department)
            for kind, count in zip(("p", "e"), counts, strict=True):
                name = (build, kind, department, window)
                low, high = _read(count, LEAST - 1 if people else math.inf)
                # Never more is shown than people are.
                is_capped = count is not None and count == sum(people)
                self.bounds[name] = (low, math.inf if is_capped else high)
                self.at_most.append(({name: 1, above: -1}, 0))
                above = name

    def _learn_moves(self, build: int, seen: Tables) -> None:
        """Learn that who came to a tier is in it, and is counted in each window."""
        is_shown = any(count is not None for count in seen.moves.values())
        total: Name = (build, "m")
        self.bounds[total] = (0, math.inf)
        for (window, before, now), count in seen.moves.items():
            most = LEAST - 1 if is_shown else math.inf
            self.bounds[build, "m", window, before, now] = _read(count, most)
        for window in {w for w, _, _ in seen.moves}:
            mine = [(b, n) for w, b, n in seen.moves if w == window]
            added = {(build, "m", window, b, n): 1 for b, n in mine}
            self.equal.append(({**added, total: -1}, 0))
            for tier in {n for _, n in mine}:
                came = {(build, "m", window, b, n): 1 for b, n in mine if n == tier}
                self.at_most.append(({**came, (build, "t", window, tier): -1}, 0))

    def learn_change(self, *, is_growth: bool) -> None:
        """Name the change of each count from build 0 to 1; nobody left, if so."""
        for _, *rest in [name for name in self.bounds if name[0] == 0]:
            change: Name = ("change", *rest)
            self.bounds[change] = (0 if is_growth else -math.inf, math.inf)
            row = {(1, *rest): 1.0, (0, *rest): -1.0, change: -1.0}
            self.equal.append((row, 0))

    def allows(self, counts: Mapping[Name, float]) -> bool:
        """Whether counts could be the true ones, by all that is known."""

        def added(row: Mapping[Name, float]) -> float:
            return sum(factor * counts[name] for name, factor in row.items())

        return (
            all(low <= counts[n] <= high for n, (low, high) in self.bounds.items())
            and all(added(row) == right for row, right in self.equal)
            and all(added(row) <= right for row, right in self.at_most)
        )

    def intervals(
        self, names: Iterable[Name] | None = None
    ) -> dict[Name, tuple[float, float]]:
        """Return the least and the most that each count may be, as whole numbers."""
        order = list(self.bounds)
        place = {name: number for number, name in enumerate(order)}
        equal, at_most = (_matrix(rows, place) for rows in (self.equal, self.at_most))
        found = {}
        for name in names or order:
            ends = []
            for sign in (1, -1):
                goal = np.zeros(len(order))
                goal[place[name]] = sign
                done = linprog(
                    goal,
                    A_eq=equal[0],
                    b_eq=equal[1],
                    A_ub=at_most[0],
                    b_ub=at_most[1],
                    bounds=[self.bounds[one] for one in order],
                )
                assert done.status in (0, 3), done.message
                ends.append(sign * done.fun if done.status == 0 else -sign * math.inf)
            found[name] = (_up(ends[0]), _down(ends[1]))
        return found


def found_out(intervals: Mapping[Name, tuple[float, float]]) -> dict[Name, float]:
    """Return the small counts and changes whose interval holds one number."""
    return {
        name: low
        for name, (low, high) in intervals.items()
        if low == high and 1 <= abs(low) < LEAST
    }


def rounded(count: int) -> Count:
    """Return a count as it is published, were it alone."""
    return None if count < LEAST else LEAST * math.floor(count / LEAST + 0.5)


def _read(count: Count, most: float) -> tuple[float, float]:
    if count is None:
        return 0, most
    return max(LEAST, count - SLACK), count + SLACK


def _shown(seen: Tables) -> set[int]:
    return {d for (d, _, _), count in seen.cells.items() if count is not None}


def _cells(build: int, seen: Tables, department: int, window: str) -> list[Name]:
    return [
        (build, "x", d, w, t)
        for d, w, t in seen.cells
        if (d, w) == (department, window)
    ]


def _matrix(
    rows: Sequence[Row], place: Mapping[Name, int]
) -> tuple[coo_matrix | None, list[float] | None]:
    if not rows:
        return None, None
    entries = [
        (number, place[name], factor)
        for number, (row, _) in enumerate(rows)
        for name, factor in row.items()
    ]
    lines, columns, factors = zip(*entries, strict=True)
    shape = (len(rows), len(place))
    return coo_matrix((factors, (lines, columns)), shape), [right for _, right in rows]


def _up(value: float) -> float:
    return math.ceil(value - _EPSILON) if math.isfinite(value) else value


def _down(value: float) -> float:
    return math.floor(value + _EPSILON) if math.isfinite(value) else value
