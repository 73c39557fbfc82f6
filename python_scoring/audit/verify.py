"""Walk along the whole chain, in the database or in an archived month's file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from python_scoring.audit import archive, heads, stored
from python_scoring.audit.chain import Anchor, Entry, Walk
from python_scoring.audit.heads import Heads
from python_scoring.warehouse import Connection


@dataclass(frozen=True)
class Verdict:
    """What was found along a chain.

    Attributes
    ----------
    count
        Entries looked at.
    first, last
        The first and the last of them.
    faults, fault_count
        What is wrong, in words, the first few; and how much that is.
    noted
        How many heads outside told of these entries.
    notes
        What is no fault, and whoever reads the verdict should know.
    """

    count: int
    first: Entry | None
    last: Entry | None
    faults: list[str]
    fault_count: int
    noted: int
    notes: list[str]


def verify(conn: Connection) -> Verdict:
    """Verify the chain in the database, as of one moment, in steady memory.

    Parameters
    ----------
    conn
        In autocommit mode; of a user who may read the trail.
    """
    # Read before: whatever was noted by now is committed, and has to be there.
    noted = heads.read()
    with stored.snapshot(conn):
        walk = Walk(stored.anchors(conn), noted.hashes)
        walk.along(stored.entries(conn)).end()
    return _verdict(walk, noted)


def verify_file(file: Path, conn: Connection | None = None) -> Verdict:
    """Verify an archived month.

    Parameters
    ----------
    conn
        Of the warehouse that it was archived from, whose anchors say how the month
        began and ended; without, only the file and the heads outside are asked.

    Raises
    ------
    BadInput
        The file cannot be read.
    """
    noted = heads.read()
    with archive.reading(file) as (anchor, found):
        walk = Walk({anchor.month: anchor}, noted.hashes)
        walk.along(found).end(is_archive=True)
    if conn is not None:
        walk.faults.extend(_beside_anchors(walk, anchor, stored.anchors(conn)))
        walk.fault_count = max(walk.fault_count, len(walk.faults))
    return _verdict(walk, noted)


def _beside_anchors(
    walk: Walk, anchor: Anchor, known: dict[str, Anchor]
) -> Iterator[str]:
    if known.get(anchor.month) != anchor:
        yield f"the warehouse has another anchor for {anchor.month}, or none"
    last = walk.last
    after = [a for a in known.values() if a.month > anchor.month]
    if not after or last is None:
        return
    following = min(after)
    if following[1:] != (last.entry_id + 1, last.hash):
        yield (
            f"{following.month} begins with entry {following.first_entry_id}, and the "
            f"file ends with entry {last.entry_id}: some were cut off or replaced"
        )


def _verdict(walk: Walk, noted: Heads) -> Verdict:
    notes = []
    if noted.unreadable:
        lines = ", ".join(map(str, noted.unreadable[:10]))
        notes.append(f"{heads.path()}: nothing can be read in line {lines}")
    if noted.replaced:
        notes.append(
            f"{len(noted.replaced)} heads noted outside are of a warehouse that a "
            "restore replaced"
        )
    first, last = walk.first, walk.last
    count = 0
    if first and last:
        count = sum(first.entry_id <= n <= last.entry_id for n in noted.hashes)
    if not count:
        notes.append(
            f"no head of these entries is noted in {heads.path()}: were the end cut "
            "off, or all of it replaced, nothing would show it"
        )
    return Verdict(walk.count, first, last, walk.faults, walk.fault_count, count, notes)
