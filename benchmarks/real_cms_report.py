"""Figures of the CMS panel as Markdown tables."""

from typing import Any

from benchmarks import real_fit
from benchmarks.real_cms import COST, COUNT
from benchmarks.real_judge import table

Run = dict[str, Any]


def parts(found: Run) -> list[str]:
    kinds = ", ".join(sorted({name.replace("_", " ") for name in found["chosen"]}))
    return [
        "### CMS DE-SynPUF: any inpatient payment in the next year",
        f"Five folds of people; learnt from 2008 -> 2009, champion {kinds} in every "
        "fold's training rows; nobody is judged by a model that has seen them.",
        _models(found),
        "AUROC of the champion less that of one figure by itself, on the same people; "
        "95 % interval of a paired bootstrap of people:",
        _differences(found),
        "Calibration of the champion on 2009 -> 2010, before and after "
        "re-calibration in the large (one intercept, of the other folds):",
        _calibration(found),
    ]


_PAIRS = {"before": "2008 -> 2009", "after": "2009 -> 2010"}
_SINGLES = {COST: "cost alone", COUNT: "condition count alone"}


def _models(found: Run) -> str:
    header = ["years", "people", "event rate", "model", "AUROC", "AUPRC", "Brier"]
    names = {
        real_fit.CHAMPION: "**champion**",
        real_fit.CHALLENGER: "full boosting (challenger)",
        **_SINGLES,
    }
    return table(
        header,
        (
            [
                years,
                f"{found[pair]['rows']:,}",
                f"{100 * found[pair]['rate']:.1f} %",
                text,
                *(
                    f"{found[pair]['models'][name][figure]:.4f}"
                    for figure in ("auroc", "auprc", "brier")
                ),
            ]
            for pair, years in _PAIRS.items()
            for name, text in names.items()
        ),
    )


def _differences(found: Run) -> str:
    rows = []
    for pair, years in _PAIRS.items():
        for name, text in _SINGLES.items():
            raw = found[pair]["raw_auroc"][name][0]
            value, lower, upper = found[pair]["difference"][name]
            verdict = "above 0" if lower > 0 else "**not above 0**"
            cells = [f"{raw:.4f}", f"{value:+.4f}", f"{lower:+.4f} to {upper:+.4f}"]
            rows.append([years, text, *cells, verdict])
    header = ["years", "figure", "its AUROC", "difference", "interval", "interval is"]
    return table(header, rows)


_CALIBRATION = {
    "observed_expected": "observed / expected",
    "calibration_slope": "slope",
    "ici": "ICI",
    "brier": "Brier",
    "scaled_brier": "scaled Brier",
    "log_loss": "log loss",
}


def _calibration(found: Run) -> str:
    before = found["after"]["models"][real_fit.CHAMPION]
    rows = [
        [text, *(f"{figures[name]:.4f}" for name in _CALIBRATION)]
        for text, figures in (("before", before), ("after", found["recalibrated"]))
    ]
    return table(["re-calibration", *_CALIBRATION.values()], rows)
