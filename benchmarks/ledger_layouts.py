"""The ways to lay the ledger out that are compared, and a ledger's made-up rows."""

from dataclasses import dataclass
from datetime import date

SCHEMA = "benchmark_ledger"
WINDOWS = (30, 60, 90)
# Whom later batches leave out: one in so many, whose features never change.
SETTLED_ONE_IN = 50
# Whom any other batch after the first leaves out.
UNCHANGED_ONE_IN = 10

_COLUMNS = """
    batch_id bigint not null,
    patient_id bigint not null,
    features_hash bigint not null,
    score double precision not null,
    reason_1_contribution double precision not null,
    reason_2_contribution double precision not null,
    reason_3_contribution double precision not null,
    reason_1_value double precision not null,
    reason_2_value double precision not null,
    reason_3_value double precision not null,
    window_days smallint not null,
    reason_1_feature_id smallint not null,
    reason_2_feature_id smallint not null,
    reason_3_feature_id smallint not null
"""
_KEY = "patient_id, window_days, batch_id"


def month(batch: int) -> date:
    """Return the first day of the month that a batch, from 1, is of."""
    return date(2025 + (batch - 1) // 12, (batch - 1) % 12 + 1, 1)


@dataclass(frozen=True)
class Layout:
    """One way to lay the ledger out.

    Parameters
    ----------
    by
        What it is partitioned by; empty where it is one table.
    index
        What a further index is, besides the key.
    """

    name: str
    words: str
    by: str = ""
    index: str = ""

    @property
    def table(self) -> str:
        """Its table, with the schema."""
        return f"{SCHEMA}.{self.name}"

    @property
    def has_month(self) -> bool:
        """Whether its rows have a column more, which its key needs as well."""
        return self.by == "scored_on"

    def part(self, batch: int) -> str:
        """Name the partition of a batch's month."""
        return f"{self.table}_{batch:02}"

    def make(self, batches: int) -> str:
        """Write the statements that make it, and its partitions ahead."""
        extra, key = (", scored_on date not null", ", scored_on")
        if not self.has_month:
            extra = key = ""
        by = f" partition by range ({self.by})" if self.by else ""
        made = [
            f"create table {self.table} ({_COLUMNS}{extra}, primary key ({_KEY}{key}))"
            + by
        ]
        if self.by:
            made += [self._make_part(batch) for batch in range(1, batches + 1)]
        if self.index:
            made.append(f"create index on {self.table} using {self.index}")
        return "; ".join(made)

    def _make_part(self, batch: int) -> str:
        low, high = str(batch), str(batch + 1)
        if self.has_month:
            low, high = f"'{month(batch)}'", f"'{month(batch + 1)}'"
        return (
            f"create table {self.part(batch)} partition of {self.table}"
            f" for values from ({low}) to ({high})"
        )

    def of_batch(self, batch: int) -> str:
        """Write the condition of one batch's rows: all that helps to find them."""
        condition = f"batch_id = {batch}"
        return condition + (
            f" and scored_on = '{month(batch)}'" if self.has_month else ""
        )

    def rows(self, batch: int) -> str:
        """Write the query of a batch's rows, in this layout's columns."""
        extra = f", date '{month(batch)}'" if self.has_month else ""
        return f"select *{extra} from {SCHEMA}.drawn"


LAYOUTS = (
    Layout("heap", "key only"),
    Layout("months", "months, by a date in the key", by="scored_on"),
    Layout("numbers", "months, by the batch's number", by="batch_id"),
    Layout("btree", "and a btree on batch_id", index="btree (batch_id)"),
    Layout("brin", "and BRIN on batch_id", index="brin (batch_id)"),
)

_SETUP = f"""
drop schema if exists {SCHEMA} cascade;
create schema {SCHEMA};
create table {SCHEMA}.batches (
    batch_id bigint primary key, target text not null, scored_at timestamptz not null
);
create table {SCHEMA}.people (
    patient_id bigint primary key, is_current boolean not null
);
insert into {SCHEMA}.people
select patient_id, patient_id % 20 > 0
from generate_series(1, {{people}}) as patient_id;
create table {SCHEMA}.drawn ({_COLUMNS});
"""
_DRAW = f"""
truncate {SCHEMA}.drawn;
insert into {SCHEMA}.drawn
select
    {{batch}}, patient_id, hashint8extended(patient_id, {{batch}}),
    random(), random(), random(), random(), random(), random(), random(),
    window_days, 1 + floor(random() * 27), 1 + floor(random() * 27),
    1 + floor(random() * 27)
from {SCHEMA}.people
cross join unnest(array{list(WINDOWS)}) as window_days
where {{batch}} = 1 or (
    patient_id % {SETTLED_ONE_IN} > 0
    and abs(hashint8extended(patient_id, {{batch}}) % {UNCHANGED_ONE_IN}) > 0
)
order by patient_id, window_days;
insert into {SCHEMA}.batches values ({{batch}}, 'readmission', '{{month}}');
"""


def setup(people: int) -> str:
    """Write what makes the schema, its people, and no ledger yet."""
    return _SETUP.format(people=people)


def draw(batch: int) -> str:
    """Write what draws a batch's rows, for any layout to take in.

    The first batch is of everybody. A later one is of whose features have changed,
    as in the ledger.
    """
    return _DRAW.format(batch=batch, month=month(batch))
