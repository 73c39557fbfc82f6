"""`ledger.features_hash` in SQL: the same 64 bits of the same features."""

from collections.abc import Sequence

from python_scoring.in_database.dialect import Dialect

# SplitMix64, as in `ledger.features_hash`.
_INCREMENT = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
# What numpy's NaN is; an engine's own may carry a sign.
_NAN = 0x7FF8000000000000


def steps(dialect: Dialect, source: str, names: Sequence[str]) -> dict[str, str]:
    """Write the steps that hash each row of features.

    Parameters
    ----------
    source
        A relation with patient_id and the features, as doubles or null.
    names
        The features, in the order of the model.

    Returns
    -------
    Queries by the names they may be read under; the last is ``hashed``, with
    patient_id and features_hash.
    """
    bits = ", ".join(f"{_bits(dialect, name)} as {name}" for name in names)
    start = dialect.constant(len(names))
    before, state = "bits", "state"
    made = {before: f"select patient_id, {start} as state, {bits} from {source}"}
    for place, name in enumerate(names):
        rest = "".join(f", {left}" for left in names[place + 1 :])
        entered = dialect.plus(dialect.exclusive_or(state, name), _INCREMENT)
        first = dialect.times(dialect.xor_shifted("state", 30), _FIRST)
        second = dialect.times(dialect.xor_shifted("state", 27), _SECOND)
        for part, expression in enumerate((entered, first, second), start=1):
            step = f"mixed_{place + 1}_{part}"
            made[step] = f"select patient_id, {expression} as state{rest} from {before}"
            before = step
        state = dialect.xor_shifted("state", 31)
    made["hashed"] = (
        f"select patient_id, {dialect.signed(state)} as features_hash from {before}"
    )
    return made


def _bits(dialect: Dialect, name: str) -> str:
    # With 0 added, since 0.0 and -0.0 count as one value.
    known = dialect.bits_of(f"({name} + 0)")
    return f"case when {name} is null then {dialect.constant(_NAN)} else {known} end"
