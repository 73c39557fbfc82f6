"""The calibration plot as SVG: predicted against observed, a small multiple a window.

Colours are of Okabe and Ito's palette, and nothing is told by colour alone. Each
panel has a title and a description with all its numbers, for screen readers.
"""

import math
from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from python_scoring.card.facts import Bin
from python_scoring.card.markdown import number, percent

SIDE, LEFT, TOP, BOTTOM = 200, 62, 30, 44
PANEL = LEFT + SIDE + 14
BLUE, GREY, INK = "#0072B2", "#767676", "#222222"


def calibration_plot(windows: Sequence[int], deciles: Sequence[Bin]) -> str:
    """Draw the deciles of each window, with the intervals of what was observed.

    Parameters
    ----------
    deciles
        Of all windows. One without people has no point.

    Returns
    -------
    A ``<svg>`` element without blank lines, fit to stand in Markdown.
    """
    shown = [one for one in deciles if one.expected_rate is not None]
    top = _end_of_scale(shown)
    width, height = PANEL * len(windows), TOP + SIDE + BOTTOM
    svg = Xml.Element(
        "svg",
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        width=str(width),
        height=str(height),
        style="max-width: 100%; height: auto; font: 12px sans-serif",
    )
    _add(svg, "rect", width=width, height=height, fill="white")
    for place, days in enumerate(windows):
        bins = [one for one in shown if one.window_days == days]
        panel = _add(
            svg,
            "g",
            transform=f"translate({place * PANEL + LEFT} {TOP})",
            role="img",
            aria_labelledby=f"title-{days} desc-{days}",
        )
        _describe(panel, days, bins)
        _draw_axes(panel, days, top)
        for one in bins:
            _draw_point(panel, one, top)
    return Xml.tostring(svg, encoding="unicode")


def _end_of_scale(bins: Sequence[Bin]) -> float:
    """End both axes of all panels at the same tenth, to be compared."""
    highest = max(max(one.expected_rate or 0, one.upper or 0) for one in bins)
    return min(math.ceil(10 * highest) / 10, 1.0)


def _describe(panel: Xml.Element, days: int, bins: Sequence[Bin]) -> None:
    title = f"{days} days: predicted and observed risk by tenth of the people"
    _add(panel, "title", title, id=f"title-{days}")
    _add(panel, "desc", "; ".join(map(_words, bins)), id=f"desc-{days}")


def _words(one: Bin) -> str:
    expected, observed, lower, upper = (
        percent(rate or 0)
        for rate in (one.expected_rate, one.observed_rate, one.lower, one.upper)
    )
    return (
        f"tenth {one.number}: predicted {expected}, "
        f"observed {observed} ({lower} to {upper})"
    )


def _draw_axes(panel: Xml.Element, days: int, top: float) -> None:
    _add(panel, "text", f"{days} days", x=0, y=-12, fill=INK, font_weight="bold")
    _add(panel, "rect", width=SIDE, height=SIDE, fill="none", stroke=GREY)
    _add(
        panel,
        "line",
        x1=0,
        y1=SIDE,
        x2=SIDE,
        y2=0,
        stroke=GREY,
        stroke_dasharray="5 4",
    )
    step = 0.1 if top <= 0.5 else 0.2
    for tick in range(int(top / step + 1e-9) + 1):
        at, words = SIDE * tick * step / top, f"{100 * tick * step:.0f} %"
        _label(panel, words, at, SIDE + 16, "middle")
        _label(panel, words, -6, SIDE - at + 4, "end")
    _label(panel, "predicted", SIDE / 2, SIDE + 34, "middle")
    turned = _add(panel, "g", transform="rotate(-90)")
    _label(turned, "observed", -SIDE / 2, 16 - LEFT, "middle")


def _label(panel: Xml.Element, words: str, x: float, y: float, anchor: str) -> None:
    _add(panel, "text", words, x=_at(x), y=_at(y), fill=INK, text_anchor=anchor)


def _draw_point(panel: Xml.Element, one: Bin, top: float) -> None:
    x = _at(SIDE * (one.expected_rate or 0) / top)
    low, middle, high = (
        _at(SIDE - SIDE * (value or 0) / top)
        for value in (one.lower, one.observed_rate, one.upper)
    )
    _add(panel, "line", x1=x, x2=x, y1=low, y2=high, stroke=BLUE, stroke_width="1.5")
    _add(panel, "circle", cx=x, cy=middle, r="3.5", fill=BLUE)


def _at(place: float) -> str:
    return number(place, 1)


def _add(
    parent: Xml.Element, tag: str, text: str | None = None, **attributes: object
) -> Xml.Element:
    """Append an element; underscores in names of attributes stand for hyphens."""
    named = {name.replace("_", "-"): str(value) for name, value in attributes.items()}
    element = Xml.SubElement(parent, tag, named)
    element.text = text
    return element
