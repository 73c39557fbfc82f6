"""The chain of entries: each entry's hash, and what shows that one was tampered with.

No database here: entries come from one, or from the file of an archived month.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

NOTHING = "0" * 64
_MOST_FAULTS = 20


class Entry(NamedTuple):
    """One entry; all but its number as text, as PostgreSQL writes it, or None.

    `at` is in UTC, to the microsecond: 2026-11-21T09:30:00.000000Z.
    """

    entry_id: int
    at: str
    who: str
    role: str
    os_user: str | None
    program: str | None
    action: str
    object: str
    row_count: str | None
    build_id: str | None
    detail: str
    previous_hash: str
    hash: str

    @property
    def month(self) -> str:
        """Month of the entry, UTC: 2026-11."""
        return self.at[:7]


class Anchor(NamedTuple):
    """Where a month begins in the chain."""

    month: str
    first_entry_id: int
    previous_hash: str


@dataclass
class Walk:
    """What a walk along the chain has found so far.

    Parameters
    ----------
    anchors
        Of every month that ever had entries.
    heads
        Hashes that were noted outside, by number of the entry.

    Attributes
    ----------
    count
        Entries seen.
    faults
        What is wrong and where, in words; the first few.
    fault_count
        All of them.
    """

    anchors: Mapping[str, Anchor]
    heads: Mapping[int, str]
    count: int = 0
    first: Entry | None = None
    last: Entry | None = None
    faults: list[str] = field(default_factory=list)
    fault_count: int = 0
    _archived: dict[int, str] = field(default_factory=dict)
    _months: set[str] = field(default_factory=set)

    def along(self, entries: Iterable[Entry]) -> "Walk":
        """Look at entries, ordered by number; nothing is kept of them."""
        for entry in entries:
            self._look(entry)
        return self

    def end(self, *, is_archive: bool = False) -> "Walk":
        """Look at what only the end of the chain tells.

        Parameters
        ----------
        is_archive
            Whether it was one archived month: what comes after it is elsewhere.
        """
        self._check_beginning(is_archive)
        if is_archive:
            return self
        last = self.last.entry_id if self.last else 0
        cut = sorted(number for number in self.heads if number > last)
        if cut:
            self._tell(
                f"the chain ends with entry {last}, and entry {cut[-1]} was noted "
                f"outside: entries from {last + 1} on were cut off"
            )
        begins = self.first.month if self.first else ""
        for month in sorted(self.anchors.keys() - self._months):
            if month > begins:
                self._tell(f"{month} has an anchor and no entries: they were removed")
        return self

    def _look(self, entry: Entry) -> None:
        before, where = self.last, f"entry {entry.entry_id} of {entry.at}"
        if digest(entry) != entry.hash:
            self._tell(f"{where} was changed: its hash is of something else")
        if before is None:
            self.first = entry
        elif entry.entry_id == before.entry_id:
            self._tell(f"{where} is there twice: one of the two was inserted")
        elif entry.entry_id != before.entry_id + 1:
            self._tell(f"{_missing(before, entry)} removed")
        elif entry.previous_hash != before.hash:
            self._tell(
                f"{where} does not follow entry {before.entry_id}: one of the two was "
                "changed, inserted or moved"
            )
        if before and entry.at < before.at:
            self._tell(f"{where} is older than the entry before it: one was moved")
        if entry.month not in self._months:
            self._check_anchor(entry)
        noted = self.heads.get(entry.entry_id)
        if noted is not None and noted != entry.hash:
            self._tell(
                f"{where} is not what was noted outside: it, or one before it, was "
                "replaced"
            )
        if entry.action == "archive":
            self._note_archive(entry)
        self.count += 1
        self.last = entry

    def _check_anchor(self, entry: Entry) -> None:
        """Look whether a month begins where its anchor says."""
        self._months.add(entry.month)
        anchor = self.anchors.get(entry.month)
        if anchor is None:
            self._tell(f"{entry.month} has no anchor: it was removed")
        elif anchor[1:] != (entry.entry_id, entry.previous_hash):
            self._tell(
                f"{entry.month} begins with entry {entry.entry_id}, and its anchor is "
                f"entry {anchor.first_entry_id}: one of the two was changed"
            )

    def _note_archive(self, entry: Entry) -> None:
        """Keep up to where the chain was archived, of the last time alone."""
        try:
            told = json.loads(entry.detail)
            self._archived = {int(told["last_entry_id"]): str(told["last_hash"])}
        except (ValueError, TypeError, KeyError):
            self._tell(f"entry {entry.entry_id} tells of no archive that can be found")

    def _check_beginning(self, is_archive: bool) -> None:
        if self.first is None or is_archive:
            return
        before = self.first.entry_id - 1
        expected = NOTHING if before == 0 else self._archived.get(before)
        if expected is None:
            self._tell(f"entries up to {before} are missing, and were never archived")
        elif expected != self.first.previous_hash:
            self._tell(
                f"entry {self.first.entry_id} does not follow what "
                f"{'the chain begins with' if before == 0 else 'was archived'}"
            )

    def _tell(self, fault: str) -> None:
        self.fault_count += 1
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append(fault)


def digest(entry: Entry) -> str:
    """Compute an entry's hash, as `audit.digest` does in the database.

    SHA-256 of a JSON array of the hash before it and all that it says. No two entries
    have the same array.
    """
    said = [entry.previous_hash, str(entry.entry_id), *entry[1:-2]]
    text = json.dumps(said, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _missing(before: Entry, after: Entry) -> str:
    first, last = before.entry_id + 1, after.entry_id - 1
    return f"entry {first} was" if first == last else f"entries {first} to {last} were"
