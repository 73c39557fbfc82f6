"""What the engines spell differently: 64-bit arithmetic, and where a step ends."""

from dataclasses import dataclass

import psycopg

_LOW = 0xFFFFFFFF


@dataclass(frozen=True)
class Dialect:
    """How an engine spells what another spells differently.

    Parameters
    ----------
    name
        The engine.
    fence
        Ends a step whose result is computed once, however often it is read; else
        PostgreSQL writes the expression out at each place that reads it.
    is_unsigned
        Whether there are unsigned 64-bit numbers. Without, constants are taken with
        a sign and shifts drop it, to the same 64 bits.
    bits
        The bit pattern of a double, as a 64-bit number.
    xor
        Exclusive or of two of these.
    wide
        The type of these.
    """

    name: str
    fence: str
    is_unsigned: bool
    bits: str
    xor: str
    wide: str

    def bits_of(self, value: str) -> str:
        """Spell the bit pattern of a double that is not null, and not -0."""
        return self.bits.format(value)

    def exclusive_or(self, one: str, other: str) -> str:
        """Spell the exclusive or of two 64-bit numbers."""
        return self.xor.format(one, other)

    def constant(self, number: int) -> str:
        """Spell a 64-bit constant."""
        if not self.is_unsigned and number >= 2**63:
            number -= 2**64
        return f"'{number}'::{self.wide}"

    def xor_shifted(self, value: str, places: int) -> str:
        """Spell ``value ^ (value >> places)``, the shift filling up with zeros."""
        mask = self.constant(2 ** (64 - places) - 1)
        return self.exclusive_or(value, f"(({value} >> {places}) & {mask})")

    def plus(self, value: str, addend: int) -> str:
        """Spell the sum modulo 2^64; ``value`` is written out four times."""
        low = f"(({value} & {_LOW}) + {addend & _LOW})"
        carried = f"((({value} >> 32) & {_LOW}) + {addend >> 32} + ({low} >> 32))"
        return self._joined(carried, low)

    def times(self, value: str, factor: int) -> str:
        """Spell the product modulo 2^64; ``value`` is written out four times."""
        low_factor, high_factor = factor & _LOW, factor >> 32
        if not self.is_unsigned and low_factor >= 2**31:
            # Of 32 bits by 31 and a sign, a signed 64-bit number holds the product.
            low_factor, high_factor = low_factor - 2**32, (high_factor + 1) & _LOW
        if not self.is_unsigned and high_factor >= 2**31:
            high_factor -= 2**32
        low, high = f"({value} & {_LOW})", f"(({value} >> 32) & {_LOW})"
        product = f"({low} * ({low_factor}))"
        parts = (
            f"(({product} >> 32) & {_LOW})",
            f"(({high} * ({low_factor})) & {_LOW})",
            f"(({low} * ({high_factor})) & {_LOW})",
        )
        return self._joined(f"({' + '.join(parts)})", product)

    def _joined(self, high: str, low: str) -> str:
        return f"((({high} & {_LOW}) << 32) | ({low} & {_LOW}))"

    def signed(self, value: str) -> str:
        """Spell a 64-bit number as the ledger keeps it, with a sign."""
        if not self.is_unsigned:
            return value
        return (
            f"case when {value} < {2**63} then cast({value} as bigint) else"
            f" cast(cast({value} as hugeint) - {2**64} as bigint) end"
        )


POSTGRES = Dialect(
    name="postgresql",
    fence="offset 0",
    is_unsigned=False,
    bits="cast(cast('x' || encode(float8send({0}), 'hex') as bit(64)) as bigint)",
    xor="({} # {})",
    wide="bigint",
)
DUCKDB = Dialect(
    name="duckdb",
    fence="",
    is_unsigned=True,
    bits="cast(cast({0} as bit) as ubigint)",
    xor="xor({}, {})",
    wide="ubigint",
)


def of(conn: object) -> Dialect:
    """Tell what a connection's engine speaks."""
    return POSTGRES if isinstance(conn, psycopg.Connection) else DUCKDB
