"""Pseudonyms: what an external identifier is called in the warehouse.

HMAC-SHA-256 (RFC 2104), in hexadecimal, of organization and identifier: the same person
has the same one in each load, and nobody without the key can work it out or back.
"""

import csv
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from python_scoring import config
from python_scoring.identities.keys import Key

Person = tuple[str, str]


def pseudonym(key: bytes, org_code: str, external_id: str) -> str:
    """Return the pseudonym of a person, 64 hexadecimal digits.

    The code's length goes before it, so that no two people are spelled alike.
    """
    code = org_code.encode()
    message = len(code).to_bytes(4, "big") + code + external_id.encode()
    return hmac.digest(key, message, "sha256").hex()


@dataclass(frozen=True)
class Pseudonyms:
    """The names that people go by here: pseudonyms, or as they came without a key.

    People of the baseline seed are synthetic, stand in the repository, and keep their
    names: a record of theirs that is handed in must find them.
    """

    key: Key | None = None
    plain: frozenset[Person] = frozenset()
    _claims: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    @property
    def are_on(self) -> bool:
        """Whether there is a key in force."""
        return self.key is not None

    def of(self, org_code: str, external_id: str) -> str:
        """Return what somebody is called here."""
        if self.key is None or (org_code, external_id) in self.plain:
            return external_id
        return pseudonym(self.key.pseudonym_key, org_code, external_id)

    def of_people(
        self, org_code: str, external_ids: Any, seen: dict[str, str] | None = None
    ) -> Any:
        """Return what each of an Arrow column is called here.

        Parameters
        ----------
        seen
            Gets everybody's external id and what they are called.
        """
        if self.key is None:
            return external_ids
        named = {} if seen is None else seen

        def name(one: str) -> str:
            return named.setdefault(one, self.of(org_code, one))

        return _by_value(external_ids, name)

    def of_claims(self, numbers: Any) -> Any:
        """Return claims' numbers under a key that goes with this object.

        They only have to tell the claims of a load apart; nobody needs a way back.
        """
        if self.key is None:
            return numbers
        return _by_value(
            numbers, lambda one: hmac.digest(self._claims, one.encode(), "sha256").hex()
        )

    def hides(self, org_code: str, external_id: str) -> bool:
        """Whether somebody has a pseudonym."""
        return self.key is not None and (org_code, external_id) not in self.plain


def _by_value(values: Any, name: Callable[[str], str]) -> Any:
    """Name each different value once: a claim file repeats its people."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    found = values.cast(pa.string()).dictionary_encode()
    named = [name(one) for one in found.dictionary.to_pylist()]
    return pa.array(named, pa.string()).take(found.indices)


def of_the_seed() -> frozenset[Person]:
    """Return the people of the baseline seed, by organization's code and identifier."""
    seed = config.PROJECT_DIR / "seeds" / "baseline" / "baseline_patients.csv"
    return _read_seed(seed, seed.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _read_seed(seed: Path, changed_at: int) -> frozenset[Person]:
    with seed.open(newline="", encoding="utf-8") as lines:
        rows = csv.DictReader(lines)
        return frozenset((row["org_code"], row["external_id"]) for row in rows)
