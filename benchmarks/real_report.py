"""Figures of the real sets as Markdown tables, beside the published ones."""

import os
import platform
from datetime import date
from typing import Any

from benchmarks import real_cms_report, real_uci_report


def machine() -> dict[str, str | int]:
    """Describe where and with what this is measured."""
    import numpy
    import pandas
    import sklearn

    has_affinity = hasattr(os, "sched_getaffinity")
    return {
        "date": date.today().isoformat(),
        "cores": len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "scikit-learn": sklearn.__version__,
        "numpy": numpy.__version__,
        "pandas": pandas.__version__,
    }


def markdown(measured: dict[str, Any]) -> str:
    """Write everything that was measured."""
    where = ", ".join(
        str(value) if name in {"date", "system"} else f"{name} {value}"
        for name, value in measured["machine"].items()
    )
    parts = [f"Measured by `python -m benchmarks.real_outcomes` ({where})."]
    if "uci" in measured:
        parts += real_uci_report.parts(measured["uci"])
    if "cms" in measured:
        parts += real_cms_report.parts(measured["cms"])
    return "\n\n".join(parts)
