"""Whether two peers ended with the same: keys alike, figures within 1e-9."""

from itertools import zip_longest

import numpy as np
import pyarrow as pa

from benchmarks.peers_work import KEYS, VALUES, Answer

# Of the larger of 1 and the figure: a net benefit is a difference, and may be near 0.
TOLERANCE = 1e-9

_CHUNK_ROWS = 500_000


def differences(one: Answer, other: Answer) -> list[str]:
    """Compare all tables of two peers; say which figure differs first, and how."""
    return [found for name in KEYS if (found := _difference(name, one, other))]


def _difference(name: str, one: Answer, other: Answer) -> str | None:
    pairs = zip_longest(one.read(name, _CHUNK_ROWS), other.read(name, _CHUNK_ROWS))
    for mine, theirs in pairs:
        if mine is None or theirs is None or len(mine) != len(theirs):
            return f"{name}: not as many rows"
        for column in (*KEYS[name], *VALUES[name]):
            place = _first_difference(mine[column], theirs[column])
            if place is not None:
                who = ", ".join(f"{k} {mine[k][place].as_py():g}" for k in KEYS[name])
                values = (mine[column][place].as_py(), theirs[column][place].as_py())
                return f"{name}, {who}, {column}: {values[0]!r} and {values[1]!r}"
    return None


def _first_difference(mine: pa.Array, theirs: pa.Array) -> int | None:
    a, b = (x.to_numpy(zero_copy_only=False) for x in (mine, theirs))
    near = np.abs(a - b) <= TOLERANCE * np.maximum(1, np.abs(a))
    wrong = ~(near | (np.isnan(a) & np.isnan(b)))
    return int(np.argmax(wrong)) if wrong.any() else None
