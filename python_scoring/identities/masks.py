"""What is shown in the place of a value that was rejected.

Under a key, `raw` masks what may be an identifier and keeps other values as they came;
whatever is shown or written outside `raw` has no value at all.
"""

import re
from collections.abc import Mapping
from typing import Any

IDENTIFIERS = frozenset({"external_id"})

_MASKED = re.compile(r"\(masked, \d+ characters\)")


def mask(value: str | None) -> str | None:
    """Say how long a value is, and nothing else of it."""
    return None if value is None else f"(masked, {len(value)} characters)"


def mask_outside(value: str | None) -> str | None:
    """Mask a value of `raw`, unless it is masked there already."""
    return value if value and _MASKED.fullmatch(value) else mask(value)


def mask_fault(
    fault: Mapping[str, Any], known: frozenset[str], *, is_outside: bool = False
) -> dict[str, Any]:
    """Return a fault of a record as it is stored, or as it is shown outside `raw`.

    What stands in a field that nobody knows may be anybody's name, and so may what it
    is called: of a table without a header, the first row is taken for one.
    """
    field, value = fault["field"], fault["value"]
    if field is None or field in known:
        is_hidden = is_outside or field in IDENTIFIERS
        return {**fault, "value": mask_outside(value) if is_hidden else value}
    return {**fault, "field": mask_outside(field), "value": mask_outside(value)}
