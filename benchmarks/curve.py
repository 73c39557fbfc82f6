"""Draw time and memory against patients, on log-log axes, as an SVG.

Usage: ``python -m benchmarks.curve``: from docs/performance/peers.json, which
``python -m benchmarks.peers`` writes, to docs/performance/peers.svg. Needs nothing
that is not in Python. Every line has its name at its end. Colours are Okabe and
Ito's (jfly.uni-koeln.de/color), which people who see colours otherwise can tell
apart; marks and dashes differ as well. <title> and <desc> tell a screen reader the
figures.
"""

import argparse
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.peers import RESULTS
from benchmarks.peers_report import is_extrapolated

PICTURE = RESULTS.with_suffix(".svg")

Run = dict[str, Any]
Point = tuple[float, float]

_GIB = 1024**3
WIDTH, HEIGHT = 1180, 580
_TOP, _BOTTOM = 84, 84
_PANEL, _LEFT, _GAP = 330, 70, 250
_LABEL_HEIGHT = 17.0
_INK, _GRID, _GREY = "#1b1b1b", "#dfe3e8", "#767676"
_FONT = "font-family='system-ui, -apple-system, Segoe UI, Arial, sans-serif'"


@dataclass(frozen=True)
class Style:
    """How a way is drawn, and what it is called beside its line."""

    label: str
    colour: str
    dashes: str = ""
    mark: str = "circle"
    width: float = 2.0


STYLES = {
    "riskmart-postgres": Style("riskmart, PostgreSQL", "#0072B2", width=3.5),
    "riskmart-duckdb": Style("riskmart, DuckDB", "#D55E00", width=3.5),
    "rows": Style("row by row", "#000000", mark="square"),
    "pandas": Style("pandas + to_sql", "#CC79A7", mark="square"),
    "pandas-copy": Style("pandas + COPY", "#CC79A7", "7 4", "square"),
    "duckdb-sql": Style("DuckDB by hand", "#E69F00", mark="diamond"),
    "polars": Style("Polars, in memory", "#009E73", mark="diamond"),
}
# Floors of both engines' warehouses; of the peers' tables the table tells.
FLOORS = {
    "riskmart-postgres": Style("floor, PostgreSQL", _GREY, "2 4", "none"),
    "riskmart-duckdb": Style("floor, DuckDB", _GREY, "8 3 2 3", "none"),
}


@dataclass(frozen=True)
class Line:
    """A way's points, by patients; those from ``extrapolated_from`` on were not run."""

    style: Style
    points: list[Point]
    extrapolated_from: float = math.inf


def lines_of(runs: Sequence[Run], figure: str) -> list[Line]:
    """Collect the lines of one figure: seconds, or bytes."""
    lines = []
    for peer, style in STYLES.items():
        own = [run for run in runs if run["peer"] == peer]
        if figure == "bytes":
            own = [run for run in own if not is_extrapolated(run)]
        guessed = [run["patients"] for run in own if is_extrapolated(run)]
        points = sorted((float(r["patients"]), _figure(r, figure)) for r in own)
        if points:
            lines.append(Line(style, points, min(guessed, default=math.inf)))
    if figure == "seconds":
        for peer, style in FLOORS.items():
            own = [r for r in runs if r["peer"] == peer and "floor_seconds" in r]
            if own:
                points = sorted((float(r["patients"]), r["floor_seconds"]) for r in own)
                lines.append(Line(style, points))
    return lines


def _figure(run: Run, figure: str) -> float:
    if figure == "seconds":
        return float(run["seconds"])
    return float(run["client_bytes"] + run["server_bytes"]) / _GIB


@dataclass(frozen=True)
class Scale:
    """A logarithmic axis: values from ``low`` to ``high`` between two places."""

    low: float
    high: float
    first: float
    last: float

    def __call__(self, value: float) -> float:
        """Place a value."""
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.first + share * (self.last - self.first)

    def ticks(self) -> list[float]:
        """List the powers of ten within the axis; if they are few, threes as well."""
        powers = range(math.floor(math.log10(self.low)), 12)
        tens = [t for p in powers if self.low <= (t := 10.0**p) <= self.high]
        if len(tens) > 3:
            return tens
        threes = [t for p in powers if self.low <= (t := 3 * 10.0**p) <= self.high]
        return sorted(tens + threes)


def draw(results: dict[str, Any]) -> str:
    """Draw both panels."""
    runs: list[Run] = results["runs"]
    seconds, memory = lines_of(runs, "seconds"), lines_of(runs, "bytes")
    right = _LEFT + _PANEL + _GAP
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' role='img' lang='en'"
        f" aria-labelledby='title desc' viewBox='0 0 {WIDTH} {HEIGHT}' {_FONT}>",
        f"<title id='title'>{escape(TITLE)}</title>",
        f"<desc id='desc'>{escape(describe(results))}</desc>",
        f"<rect width='{WIDTH}' height='{HEIGHT}' fill='#ffffff'/>",
        _text(_LEFT, 30, TITLE, size=19, weight=600),
        *_panel(_LEFT, "Time, seconds", seconds),
        *_panel(right, "Memory at most, GiB (client and server)", memory),
        _text(_LEFT, HEIGHT - 12, _footnote(results), size=12.5, colour="#555555"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


TITLE = "The same work in every way: load, 27 features, score, tiers, return, summaries"


def describe(results: dict[str, Any]) -> str:
    """Tell the picture in words, with its figures."""
    told = []
    for line in lines_of(results["runs"], "seconds"):
        figures = ", ".join(f"{_clock(y)} at {x:,.0f}" for x, y in line.points)
        guess = line.extrapolated_from < math.inf
        note = f" (extrapolated from {line.extrapolated_from:,.0f} on)" if guess else ""
        told.append(f"{line.style.label}: {figures}{note}.")
    memory = [
        f"{line.style.label}: "
        + ", ".join(f"{y:.2g} at {x:,.0f}" for x, y in line.points)
        + "."
        for line in lines_of(results["runs"], "bytes")
    ]
    return (
        "Two charts on logarithmic axes against the number of patients. Time: "
        f"{' '.join(told)} Memory in GiB: {' '.join(memory)}"
    )


def _footnote(results: dict[str, Any]) -> str:
    about = results["machine"]
    notes = (
        f"{about['cores']} cores, {about['memory_gib']:g} GiB, {about['date']}."
        " riskmart: load and build, without tests."
    )
    if any(is_extrapolated(run) for run in results["runs"]):
        notes += " Hollow, dotted: extrapolated."
    return f"{notes} Floor: the same bytes copied, the same matrix scored, no more."


def _panel(left: float, title: str, lines: list[Line]) -> Iterable[str]:
    if not lines:
        return
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    x = Scale(min(xs) / 1.25, max(xs) * 1.25, left, left + _PANEL)
    y = Scale(min(ys) / 1.5, max(ys) * 1.5, HEIGHT - _BOTTOM, _TOP)
    yield _text(left, _TOP - 20, title, size=15, weight=600)
    for value in y.ticks():
        yield _rule(left, y(value), left + _PANEL, y(value))
        yield _text(left - 8, y(value) + 4.5, f"{value:,.7g}", anchor="end")
    for value in sorted(set(xs)):
        yield _rule(x(value), _TOP, x(value), HEIGHT - _BOTTOM)
        shown = _people(value)
        yield _text(x(value), HEIGHT - _BOTTOM + 20, shown, anchor="middle")
    middle = left + _PANEL / 2
    yield _text(middle, HEIGHT - _BOTTOM + 38, "patients", anchor="middle")
    for line in lines:
        yield from _drawn(line, x, y)
    yield from _labels(lines, x, y)


def _drawn(line: Line, x: Scale, y: Scale) -> Iterable[str]:
    style = line.style
    known = [p for p in line.points if p[0] < line.extrapolated_from]
    guessed = known[-1:] + [p for p in line.points if p[0] >= line.extrapolated_from]
    yield _path(known, x, y, style, style.dashes, style.width)
    if len(guessed) > 1:
        yield _path(guessed, x, y, style, "1 6", 1.5)
    for point in line.points:
        is_known = point[0] < line.extrapolated_from
        fill = style.colour if is_known else "#ffffff"
        yield _mark(style, x(point[0]), y(point[1]), fill)


def _path(
    points: Sequence[Point], x: Scale, y: Scale, style: Style, dashes: str, width: float
) -> str:
    places = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
    dashed = f" stroke-dasharray='{dashes}'" if dashes else ""
    return (
        f"<polyline points='{places}' fill='none' stroke='{style.colour}'"
        f" stroke-width='{width:g}' stroke-linecap='round'{dashed}/>"
    )


def _mark(style: Style, x: float, y: float, fill: str) -> str:
    shared = f"fill='{fill}' stroke='{style.colour}' stroke-width='1.5'"
    if style.mark == "circle":
        return f"<circle cx='{x:.1f}' cy='{y:.1f}' r='4' {shared}/>"
    if style.mark == "square":
        return (
            f"<rect x='{x - 3.5:.1f}' y='{y - 3.5:.1f}' width='7' height='7' {shared}/>"
        )
    if style.mark == "diamond":
        path = f"M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z"
        return f"<path d='{path}' {shared}/>"
    return ""


def _labels(lines: list[Line], x: Scale, y: Scale) -> Iterable[str]:
    """Write each name to the right, where its line ends, none over another."""
    ends = sorted(lines, key=lambda line: y(line.points[-1][1]))
    wanted = [y(line.points[-1][1]) for line in ends]
    margin = x.last + 26
    largest = max(line.points[-1][0] for line in lines)
    for line, place in zip(ends, spread(wanted, _LABEL_HEIGHT), strict=True):
        end_x, end_y = x(line.points[-1][0]), y(line.points[-1][1])
        # One that ends early has a faint thread to its name, which is no data.
        is_early = end_x < x(largest) - 1
        thread = f"{_GREY}' stroke-dasharray='1 3" if is_early else line.style.colour
        yield (
            f"<polyline points='{end_x + 7:.1f},{end_y:.1f} {margin - 5:.1f},"
            f"{place:.1f}' fill='none' stroke='{thread}' stroke-width='1'/>"
        )
        weight = 700 if line.style.width > 2 else 400
        yield _text(margin, place + 4.5, line.style.label, weight=weight)


def spread(wanted: Sequence[float], apart: float) -> list[float]:
    """Move ascending places as little as need be, to be so far apart.

    Places that push each other become a block around the mean of what they want.
    """
    blocks: list[list[float]] = []
    for place in wanted:
        blocks.append([place])
        while len(blocks) > 1 and _end(blocks[-2], apart) > _start(blocks[-1], apart):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    return [
        _start(block, apart) + apart / 2 + place * apart
        for block in blocks
        for place in range(len(block))
    ]


def _start(block: list[float], apart: float) -> float:
    return sum(block) / len(block) - len(block) * apart / 2


def _end(block: list[float], apart: float) -> float:
    return sum(block) / len(block) + len(block) * apart / 2


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return (
        f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}'"
        f" stroke='{_GRID}'/>"
    )


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    size: float = 13,
    colour: str = _INK,
    weight: int = 400,
) -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' font-size='{size:g}'"
        f" font-weight='{weight}' fill='{colour}'>{escape(text)}</text>"
    )


def _clock(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    if seconds < 7200:
        return f"{seconds / 60:.3g} min"
    return f"{seconds / 3600:.3g} h"


def _people(value: float) -> str:
    if value >= 1_000_000:
        return f"{value / 1_000_000:g} M"
    return f"{value:,.0f}"


def main(arguments: list[str] | None = None) -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.curve",
        description="Draw time and memory against patients.",
    )
    parser.add_argument("--json", type=Path, default=RESULTS)
    parser.add_argument("--svg", type=Path, default=PICTURE)
    options = parser.parse_args(arguments)
    if not options.json.is_file():
        parser.error(
            f"{options.json}: no such file; expected what python -m benchmarks.peers"
            " writes"
        )
    options.svg.write_text(draw(json.loads(options.json.read_text())))
    print(options.svg)


if __name__ == "__main__":
    main()
