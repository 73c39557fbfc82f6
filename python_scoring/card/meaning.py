"""What features mean, in words: from the feature list and the columns' descriptions."""

import re
from dataclasses import dataclass
from pathlib import Path

from python_scoring import config
from python_scoring.card.markdown import number
from python_scoring.readmission.features import Feature, read_features

_DOCS = re.compile(r"{% docs (\w+) %}\s*(.*?)\s*{% enddocs %}", re.DOTALL)


@dataclass(frozen=True)
class Meaning:
    """A feature for a reader who has never seen the code."""

    feature: Feature
    definition: str

    @property
    def words(self) -> str:
        """Its label; of a score, share or code, its definition as well."""
        label = self.feature.label[:1].upper() + self.feature.label[1:]
        is_score = self.feature.data_type == "number" and not self.feature.is_base_field
        is_plain = not is_score and self.feature.data_type != "code"
        return label if is_plain else f"{label}: {self.definition}"

    @property
    def unit(self) -> str:
        """Its unit, or that it is a matter of yes and no."""
        return "yes or no" if self.feature.data_type == "flag" else self.feature.unit

    def value(self, value: float | None) -> str:
        """Write one of its values."""
        if value is None:
            return "none on record"
        if self.feature.data_type == "flag":
            return "yes" if value else "no"
        return number(value, 0 if float(value).is_integer() else 2)


def meanings() -> dict[str, Meaning]:
    """Read the meaning of each feature, by name."""
    docs = _read_docs(config.PROJECT_DIR / "models" / "columns.md")
    return {f.name: Meaning(f, docs.get(f.name, f.label)) for f in read_features()}


def _read_docs(path: Path) -> dict[str, str]:
    return dict(_DOCS.findall(path.read_text(encoding="utf-8")))
