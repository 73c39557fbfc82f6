"""A model's terms as SQL expressions, in the very order of operations of `terms`.

So a contribution has the same bits as in Python: an engine adds and multiplies
doubles as numpy does.
"""

from collections.abc import Sequence

import numpy as np

from python_scoring.readmission.terms import (
    CodeTable,
    Curve,
    CurveAndSteps,
    Floats,
    Steps,
    Term,
)


def literal(value: float) -> str:
    """Spell a double, to the bit, on every engine."""
    return f"'{float(value)!r}'::float8"


def contribution(term: Term, hazard: int, column: str, is_nullable: bool) -> str:
    """Write what a feature adds to a hazard's log-odds.

    Parameters
    ----------
    hazard
        From 0.
    column
        The feature, as a double; null is missing.
    is_nullable
        Whether it may be.
    """
    known = _known(term, hazard, column)
    if not is_nullable:
        return known
    missing = _missing(term, hazard)
    return f"case when {column} is null then {literal(missing)} else {known} end"


def _missing(term: Term, hazard: int) -> float:
    if isinstance(term, CodeTable):
        return float(term.other[hazard])
    if isinstance(term, CurveAndSteps):
        return float(term.curve.missing[hazard] + term.steps.missing[hazard])
    return float(term.missing[hazard])


def _known(term: Term, hazard: int, column: str) -> str:
    if isinstance(term, CurveAndSteps):
        curve = _curve(term.curve.knots, term.curve.values[hazard], column)
        steps = _steps(term.steps.edges, term.steps.values[hazard], column)
        return f"({curve} + {steps})"
    if isinstance(term, Curve):
        return _curve(term.knots, term.values[hazard], column)
    if isinstance(term, Steps):
        return _steps(term.edges, term.values[hazard], column)
    return _codes(term, hazard, column)


def _codes(term: CodeTable, hazard: int, column: str) -> str:
    values = zip(term.codes, term.values[hazard], strict=True)
    whens = "".join(f" when {literal(c)} then {literal(v)}" for c, v in values)
    return f"case {column}{whens} else {literal(term.other[hazard])} end"


def _steps(edges: Floats, values: Floats, column: str) -> str:
    """Write steps as a search; a value on an edge belongs to the step below it."""
    return _search(edges, [literal(value) for value in values], column)


def _curve(knots: Floats, values: Floats, column: str) -> str:
    """Write a curve as a search for the segment and a line through it.

    The level at a knot is summed up as `Curve.evaluate` does it.
    """
    rises = np.diff(values)
    levels = [values[0]]
    for rise in rises:
        levels.append(levels[-1] + rise)
    lines = [literal(levels[0])]
    for level, rise, knot, width in zip(
        levels[:-1], rises, knots[:-1], np.diff(knots), strict=True
    ):
        ramp = f"({column} - {literal(knot)}) / {literal(width)}"
        line = f"({literal(level)} + {ramp} * {literal(rise)})"
        lines.append(line if rise else literal(level))
    lines.append(literal(levels[-1]))
    return _search(knots, lines, column)


def _search(edges: Floats, leaves: Sequence[str], column: str) -> str:
    """Halve the edges until one leaf is left: a column <= edge[i] is in leaf <= i."""
    if len(set(leaves)) == 1:
        return leaves[0]
    middle = (len(leaves) - 1) // 2
    below = _search(edges[:middle], leaves[: middle + 1], column)
    above = _search(edges[middle + 1 :], leaves[middle + 1 :], column)
    edge = literal(edges[middle])
    return f"case when {column} <= {edge} then {below} else {above} end"
