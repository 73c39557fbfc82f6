"""What dbt_project.yml says: one place for what SQL and Python both go by."""

import re
from numbers import Real
from typing import Any

import yaml

from python_scoring import config
from python_scoring.errors import BadInput

FILE = "dbt_project.yml"


def share(name: str) -> float:
    """Read a var that is a number between 0 and 1, both excluded.

    Raises
    ------
    BadInput
        It is not there, or is something else.
    """
    value = _read(name)
    if not isinstance(value, Real) or not 0 < float(value) < 1:
        raise BadInput(f"{FILE}: {name} is {value!r}; expected a number in 0 to 1")
    return float(value)


def count(name: str, *, least: int = 1) -> int:
    """Read a var that is a whole number from `least`.

    Raises
    ------
    BadInput
        It is not there, or is something else.
    """
    value = _read(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise BadInput(
            f"{FILE}: {name} is {value!r}; expected a whole number from {least}"
        )
    return value


def days(name: str) -> int | None:
    """Read a var that is a number of days, or null for ever.

    Raises
    ------
    BadInput
        It is something else.
    """
    return None if _read(name) is None else count(name, least=0)


def word(name: str) -> str:
    """Read a var that is a word: letters, digits, `-`, `_`.

    Raises
    ------
    BadInput
        It is not there, or is something else.
    """
    value = _read(name)
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_-]+", value):
        raise BadInput(
            f"{FILE}: {name} is {value!r}; expected a word of letters, digits, - and _"
        )
    return value


def version() -> str:
    """Read the project's version."""
    return str(_content()["version"])


def _read(name: str) -> Any:
    return _content()["vars"].get(name)


def _content() -> dict[str, Any]:
    text = (config.PROJECT_DIR / FILE).read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    return content
