"""What people have written for a model's card: read whole, and refused if blank."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from python_scoring.errors import BadInput

CHECKLISTS_FILE = Path(__file__).with_name("checklists.toml")
OPEN = "Open: "

_VARIANTS = {"synthetic", "own"}
# Nothing but signs, a word that stands for nothing, or a slot left to be filled.
_UNFILLED = re.compile(
    r"^\W*(none|nan|null|nil|n/a|open)?\W*$|\b(todo|tbd|fixme|xxx)\b|<[a-z _]+>"
    r"|open:\W*$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Item:
    """One thing asked by a checklist, in which part of it, and the answer."""

    part: str
    number: str
    question: str
    answer: str

    @property
    def is_open(self) -> bool:
        """True where something of the answer is missing, and says so."""
        return OPEN in self.answer


@dataclass(frozen=True)
class Checklist:
    """A list of questions with their answers, in order."""

    title: str
    source: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Answers:
    """All that people wrote: texts and lists by name, checklists by key."""

    file: str
    texts: Mapping[str, str]
    lists: Mapping[str, tuple[str, ...]]
    checklists: Mapping[str, Checklist]

    def text(self, name: str) -> str:
        """Find a text by its dotted name, such as ``use.output``."""
        if not self.texts.get(name):
            raise BadInput(f"{self.file}: no text.{name}; expected an answer")
        return self.texts[name]

    def points(self, name: str) -> tuple[str, ...]:
        """Find a list by its name, such as ``limits``."""
        if not self.lists.get(name):
            raise BadInput(f"{self.file}: no lists.{name}; expected answers")
        return self.lists[name]


def read(
    path: Path, *, is_synthetic: bool, checklists_file: Path = CHECKLISTS_FILE
) -> Answers:
    """Read the answers that go with a model, and the questions they answer.

    Parameters
    ----------
    is_synthetic
        Which of two answers to take, where there are two: whether the model has
        learnt from generated people only.

    Raises
    ------
    BadInput
        The file cannot be read, an answer is blank, missing, or to no question.
    """
    given = _load(path)
    variant = "synthetic" if is_synthetic else "own"
    for name, value in _leaves(given):
        _check_filled(path.name, name, value)
    asked = _load(checklists_file)
    return Answers(
        path.name,
        dict(_named(given.get("text", {}), variant)),
        {n: tuple(v) for n, v in _named(given.get("lists", {}), variant)},
        {
            key: _checklist(path.name, key, questions, given.get(key, {}), variant)
            for key, questions in asked.items()
        },
    )


def _load(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{path}: cannot be read: {error}") from None


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every answer with its dotted name, of both variants."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and value:
        for place, inner in enumerate(value, start=1):
            yield from _leaves(inner, f"{name}[{place}]")
    else:
        yield name, value


def _check_filled(file: str, name: str, value: Any) -> None:
    if not isinstance(value, str) or _UNFILLED.search(value.removeprefix(OPEN)):
        raise BadInput(
            f"{file}, {name}: {value!r}; expected an answer, or '{OPEN}' and what "
            "is missing"
        )


def _named(table: Mapping[str, Any], variant: str) -> Iterator[tuple[str, Any]]:
    """Yield leaves by dotted name, of the variant that applies."""
    for key, value in table.items():
        if not isinstance(value, dict):
            yield key, value
        elif _VARIANTS & set(value):
            yield key, value.get(variant, "")
        else:
            for inner, leaf in _named(value, variant):
                yield f"{key}.{inner}", leaf


def _checklist(
    file: str,
    key: str,
    asked: Mapping[str, Any],
    given: Mapping[str, Any],
    variant: str,
) -> Checklist:
    answers = dict(_named(given, variant))
    numbers = [number for part in asked["parts"].values() for number in part]
    missing = [number for number in numbers if not answers.get(number)]
    unknown = [number for number in answers if number not in numbers]
    if missing or unknown:
        raise BadInput(
            f"{file}, {key}: no answer to {missing}, answers to no question "
            f"{unknown}; expected one to each of {CHECKLISTS_FILE.name}"
        )
    items = [
        Item(part, number, question, answers[number])
        for part, questions in asked["parts"].items()
        for number, question in questions.items()
    ]
    return Checklist(asked["title"], asked["source"], tuple(items))
