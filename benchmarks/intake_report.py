"""What was measured of intake, as Markdown tables for the README."""

from typing import Any

from benchmarks.publication import quantile, where

Measured = dict[str, Any]

_MILLION = 1_000_000


def markdown(measured: Measured) -> str:
    """Write all tables, and whatever was found wrong."""
    parts = [where(measured)]
    sizes = measured.get("sizes", [])
    if sizes:
        parts += [_latencies(sizes), _stages(sizes)]
    if "together" in measured:
        parts.append(_together(measured["together"]))
    if "meanwhile" in measured:
        parts.append(_meanwhile(measured["meanwhile"]))
    found = [*sizes, measured.get("together", {}), measured.get("meanwhile", {})]
    parts += [fault for part in found for fault in part.get("faults", [])]
    return "\n\n".join(parts)


def target(way: str, patients: int) -> dict[float, float]:
    """Seconds that a share of all hand-overs has to stay under; none promised: {}."""
    if way.startswith("the first"):
        return {}
    if way.endswith("cold"):
        return {1.0: 4.0}
    if way.startswith("10,000"):
        return {1.0: 10.0}
    return {0.5: 0.5, 0.95: 1.0} if patients < _MILLION else {0.95: 2.0}


def _latencies(sizes: list[Measured]) -> str:
    head = "people", "handed over by", "n", "p50, s", "p95, s", "p99, s", "longest, s"
    rows = [
        [f"{size['patients']:,}", way, *_figures(seconds), *_judged(size, way, seconds)]
        for size in sizes
        for way, seconds in size["ways"].items()
    ]
    return _table([*head, "target", "met"], rows, words=2)


def _figures(seconds: list[float]) -> list[str]:
    shares = (quantile(seconds, share) for share in (0.5, 0.95, 0.99, 1.0))
    return [f"{len(seconds):,}", *(f"{share:,.3f}" for share in shares)]


def _judged(size: Measured, way: str, seconds: list[float]) -> list[str]:
    wanted = target(way, size["patients"])
    if not wanted:
        return ["", ""]
    names = {0.5: "p50", 0.95: "p95", 1.0: "longest"}
    words = ", ".join(f"{names[share]} < {most:g} s" for share, most in wanted.items())
    is_met = all(quantile(seconds, share) < most for share, most in wanted.items())
    return [words, "yes" if is_met else "NO"]


def _stages(sizes: list[Measured]) -> str:
    head = ["one warm patient, mean ms", *(f"{size['patients']:,}" for size in sizes)]
    rows = [
        [stage, *(f"{1000 * size['stages'][stage]:,.1f}" for size in sizes)]
        for stage in sizes[0]["stages"]
    ]
    commits = [f"{1000 * quantile(size['commit_seconds'], 0.5):,.1f}" for size in sizes]
    processors = [
        [
            f"processor time, {name}",
            *(f"{1000 * size['processor_seconds'][name]:,.1f}" for size in sizes),
        ]
        for name in sizes[0]["processor_seconds"]
    ]
    beside = ["beside: a commit of some bytes, median", *commits]
    return _table(head, [*rows, *processors, beside])


def _together(found: Measured) -> str:
    people = found["processes"] * found["submissions"] * found["at_once"]
    head = ["processes", "people", "s", "people a second"]
    head += ["submission p50, s", "p95, s", "longest, s", "errors", "all there, once"]
    seconds = found["seconds"]
    cells = [
        f"{found['processes']}",
        f"{people:,}",
        f"{found['wall_seconds']:,.1f}",
        f"{people / found['wall_seconds']:,.0f}",
        *(f"{quantile(seconds, share):,.2f}" for share in (0.5, 0.95, 1.0)),
        f"{len(found['errors'])}",
        "NO" if found["faults"] else "yes",
    ]
    return _table(head, [cells], words=0)


def _meanwhile(found: Measured) -> str:
    head = ["builds meanwhile", "s of a build", "people taken in", "into builds"]
    head += ["p50, s", "p95, s", "longest, s", "looks", "always all there"]
    seconds, built = found["seconds"], found["build_seconds"]
    cells = [
        f"{len(built)}",
        " / ".join(f"{s:,.0f}" for s in built),
        f"{len(seconds):,}",
        f"{len(set(found['builds']))}",
        *(f"{quantile(seconds, share):,.2f}" for share in (0.5, 0.95, 1.0)),
        f"{found['looks']:,}",
        "NO" if found["faults"] else "yes",
    ]
    return _table(head, [cells], words=0)


def _table(head: list[str], rows: list[list[str]], words: int = 1) -> str:
    """Write a table whose first columns are words, and the others numbers."""
    rule = ["---"] * words + ["---:"] * (len(head) - words)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))
