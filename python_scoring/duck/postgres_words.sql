-- PostgreSQL's words that both engines' statements use. One process at a time has the
-- file open to write, so that every lock is granted at once.
create macro if not exists num_nulls
(a, b) as (case when a is null then 1 else 0 end + case when b is null then 1 else 0 end),
(a, b, c) as (
    case when a is null then 1 else 0 end + case when b is null then 1 else 0 end
    + case when c is null then 1 else 0 end
);
create macro if not exists clock_timestamp() as now();
create macro if not exists hashtext(a) as hash(a);
create macro if not exists hashtextextended(a, b) as hash(a);
create macro if not exists pg_advisory_xact_lock
(a) as true, (a, b) as true;
create macro if not exists pg_advisory_xact_lock_shared(a) as true;
create macro if not exists to_regclass(a) as (
    select max(table_schema || '.' || table_name)
    from information_schema.tables
    where table_schema || '.' || table_name = a
);
create macro if not exists to_regnamespace(a) as (
    select max(schema_name) from information_schema.schemata where schema_name = a
);
create macro if not exists to_regproc(a) as null;
create macro if not exists convert_to(a, b) as encode(a);
