"""What is shown in the place of an identifier that was rejected."""

from collections.abc import Mapping
from typing import Any

IDENTIFIERS = frozenset({"external_id"})


def mask(value: str | None) -> str | None:
    """Say how long a value is, and nothing else of it."""
    return None if value is None else f"(masked, {len(value)} characters)"


def mask_fault(fault: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """Return a fault of a record as it is stored.

    What stands in a field that nobody knows may be anybody's name, and so may what it
    is called: of a table without a header, the first row is taken for one.
    """
    field, value = fault["field"], fault["value"]
    if field is None or (field in known and field not in IDENTIFIERS):
        return dict(fault)
    shown = field if field in known else mask(field)
    return {**fault, "field": shown, "value": mask(value)}
