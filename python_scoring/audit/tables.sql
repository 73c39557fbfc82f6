-- The trail of what was done, and of who read. Idempotent. Whoever owns this schema
-- could forget something: see hand_over.sql for an owner whom nobody can be.

create schema if not exists audit;

-- One row per deed. The rows are a chain: each holds the hash of the one before.
create table if not exists audit.audit_log (
    -- 1, 2, 3, ...: no number is ever left out
    entry_id bigint not null,
    at timestamptz not null,
    -- who logged in, and as which role they acted
    who text not null,
    role text not null,
    -- as the client says, and nobody can check
    os_user text,
    program text,
    action text not null check (action ~ '^[a-z][a-z_]{0,62}$'),
    object text not null check (length(object) between 1 and 1000),
    row_count bigint,
    build_id bigint,
    -- never who a person is, never a key
    detail jsonb not null check (
        jsonb_typeof(detail) = 'object' and length(cast(detail as text)) <= 100000
    ),
    previous_hash text not null check (length(previous_hash) = 64),
    hash text not null check (length(hash) = 64),
    primary key (entry_id, at)
) partition by range (at);

-- Where each month (UTC) begins in the chain. It stays when the month is archived.
create table if not exists audit.anchors (
    month date primary key check (extract(day from month) = 1),
    first_entry_id bigint not null unique,
    previous_hash text not null check (length(previous_hash) = 64)
);

-- Reads of person-level marts, as the server's log tells of them. No statement is
-- kept: its text may hold anything.
create table if not exists audit.access_log (
    access_id bigint generated always as identity primary key,
    at timestamptz not null,
    who text not null,
    -- null where the log does not say as which role they acted
    role text,
    relation text not null,
    statement_kind text,
    client_address text,
    session_id text,
    process_id integer,
    source text not null check (source in ('pgaudit', 'policy')),
    -- of the line of the log: the same line is imported once
    line_sha256 text not null unique check (length(line_sha256) = 64),
    imported_at timestamptz not null default clock_timestamp()
);
create index if not exists access_log_at on audit.access_log (at);

create or replace function audit.refuse() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise exception '%.% is append-only: no %', tg_table_schema, tg_table_name,
        lower(tg_op) using errcode = 'insufficient_privilege';
end
$$;

-- Also of the owner, and of whoever replays changes.
create or replace function audit.make_append_only(relation regclass) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    execute format(
        'create or replace trigger append_only before update or delete or truncate'
        ' on %s for each statement execute function audit.refuse()', relation
    );
    execute format('alter table %s enable always trigger append_only', relation);
end
$$;

create or replace function audit.make_partition(month date) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    name text := format('audit.audit_log_%s', to_char(month, 'YYYY_MM'));
begin
    if to_regclass(name) is not null then
        return;
    end if;
    execute format(
        'create table %s (like audit.audit_log including constraints)', name
    );
    -- Attached rather than declared: that waits for no reader.
    execute format(
        'alter table audit.audit_log attach partition %s for values from (%L) to (%L)',
        name, to_char(month, 'YYYY-MM-01 00:00:00+00'),
        to_char(month + interval '1 month', 'YYYY-MM-01 00:00:00+00')
    );
    perform audit.make_append_only(name::regclass);
end
$$;

-- The hash of an entry: of a JSON array of the hash before it and all it says, each
-- as text or null. python_scoring/audit/chain.py computes the same.
create or replace function audit.digest(entry audit.audit_log) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
    select encode(sha256(convert_to(cast(jsonb_build_array(
        entry.previous_hash,
        cast(entry.entry_id as text),
        to_char(entry.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        entry.who,
        entry.role,
        entry.os_user,
        entry.program,
        entry.action,
        entry.object,
        cast(entry.row_count as text),
        cast(entry.build_id as text),
        cast(entry.detail as text)
    ) as text), 'UTF8')), 'hex')
$$;

-- The last entry; nothing before the first.
create or replace function audit.head() returns table (
    entry_id bigint, hash text, at timestamptz
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    since timestamptz := (
        select cast(max(month) as timestamp) at time zone 'UTC' from audit.anchors
    );
begin
    return query
    select log.entry_id, log.hash, log.at
    from audit.audit_log as log
    where log.at >= since
    order by log.entry_id desc
    limit 1;
end
$$;

-- Add an entry; its number. Nobody calls it but the functions below. The lock is held to the end of the transaction, which
-- makes the numbers gapless: to be called when little else is left to do.
create or replace function audit.add(
    action text,
    object text,
    row_count bigint default null,
    build_id bigint default null,
    detail jsonb default '{}',
    os_user text default null
) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    last record;
    entry audit.audit_log;
    this_month date;
begin
    -- With an older snapshot it would miss the last entry.
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'an entry in a transaction that is %, expected read committed',
            current_setting('transaction_isolation');
    end if;
    -- Of a table that nobody may lock but us: an advisory lock anybody may hold.
    lock table audit.anchors in share row exclusive mode;
    select * into last from audit.head();
    entry.entry_id := coalesce(last.entry_id, 0) + 1;
    -- A clock that was set back must not part the chain.
    entry.at := greatest(clock_timestamp(), last.at);
    entry.who := session_user;
    entry.role := coalesce(nullif(current_setting('role', true), 'none'), session_user);
    entry.os_user := add.os_user;
    entry.program := current_setting('application_name', true);
    entry.action := add.action;
    entry.object := add.object;
    entry.row_count := add.row_count;
    entry.build_id := add.build_id;
    entry.detail := coalesce(add.detail, '{}');
    entry.previous_hash := coalesce(last.hash, repeat('0', 64));
    entry.hash := audit.digest(entry);
    this_month := date_trunc('month', entry.at at time zone 'UTC');
    if not exists (select from audit.anchors where month = this_month) then
        perform audit.make_partition(this_month);
        perform audit.make_partition(cast(this_month + interval '1 month' as date));
        insert into audit.anchors
        values (this_month, entry.entry_id, entry.previous_hash);
    end if;
    insert into audit.audit_log select entry.*;
    return entry.entry_id;
end
$$;

-- What each role may say that it did; who builds says anything but that a month is
-- archived, which is for the one who drops it.
create or replace function audit.append(
    action text,
    object text,
    row_count bigint default null,
    build_id bigint default null,
    detail jsonb default '{}',
    os_user text default null
) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    is_builder boolean := rolsuper or coalesce(
        pg_has_role(oid, to_regrole('riskmart_builder'), 'member'), false
    ) from pg_roles where rolname = session_user;
    is_limited boolean := not is_builder and (
        coalesce(pg_has_role(session_user, to_regrole('riskmart_intake'), 'member'), false)
        or coalesce(pg_has_role(session_user, to_regrole('riskmart_admin'), 'member'), false)
    );
begin
    if action = 'archive' or is_limited
        and action not in ('intake', 'score', 'catch_up', 'import_log')
    then
        raise exception '% may not say that it did: %', session_user, action
            using errcode = 'insufficient_privilege';
    end if;
    return audit.add(action, object, row_count, build_id, detail, os_user);
end
$$;

-- Drop the oldest month, once it is in a file: the caller tells its last hash, and
-- the chain notes which file that was.
create or replace function audit.drop_month(
    month date,
    entries bigint,
    last_hash text,
    years_kept integer,
    file text,
    file_sha256 text,
    os_user text default null
) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    name text := format('audit.audit_log_%s', to_char(month, 'YYYY_MM'));
    found_entries bigint;
    last record;
begin
    -- Seven years, whatever the caller says.
    if month is distinct from cast(date_trunc('month', month) as date)
        or month + make_interval(years => greatest(years_kept, 7), months => 1)
        > clock_timestamp() at time zone 'UTC'
    then
        raise exception '% is to be kept for % years',
            to_char(month, 'YYYY-MM'), greatest(years_kept, 7);
    end if;
    lock table audit.anchors in share row exclusive mode;
    if exists (
        select from audit.anchors
        where anchors.month < drop_month.month
            and to_regclass(
                format('audit.audit_log_%s', to_char(anchors.month, 'YYYY_MM'))
            ) is not null
    ) then
        raise exception '% is not the oldest month', to_char(month, 'YYYY-MM');
    end if;
    execute format('select count(*) from %s', name) into found_entries;
    execute format(
        'select entry_id, hash from %s order by entry_id desc limit 1', name
    ) into last;
    if found_entries is distinct from entries or last.hash is distinct from last_hash
    then
        raise exception '% is not what was archived', to_char(month, 'YYYY-MM');
    end if;
    -- No database can look into a file elsewhere: the caller says which one it read
    -- back, and the chain keeps that.
    if coalesce(file, '') = '' or coalesce(file_sha256, '') !~ '^[0-9a-f]{64}$' then
        raise exception '% is in no file that could be named',
            to_char(month, 'YYYY-MM');
    end if;
    perform audit.add(
        'archive', to_char(month, 'YYYY-MM'), entries, null,
        jsonb_build_object(
            'last_entry_id', last.entry_id, 'last_hash', last.hash,
            'years_kept', years_kept, 'file', file, 'file_sha256', file_sha256
        ),
        os_user
    );
    execute format('drop table %s', name);
    return last.entry_id;
end
$$;

-- Take in lines of the server's log; how many were new.
create or replace function audit.note_reads(lines jsonb) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    added bigint;
begin
    insert into audit.access_log (
        at, who, role, relation, statement_kind, client_address, session_id,
        process_id, source, line_sha256
    )
    select
        line.at, line.who, line.role, line.relation, line.statement_kind,
        line.client_address, line.session_id, line.process_id, line.source,
        line.line_sha256
    from jsonb_to_recordset(lines) as line (
        at timestamptz, who text, role text, relation text, statement_kind text,
        client_address text, session_id text, process_id integer, source text,
        line_sha256 text
    )
    on conflict (line_sha256) do nothing;
    get diagnostics added = row_count;
    return added;
end
$$;

select
    audit.make_append_only('audit.audit_log'),
    audit.make_append_only('audit.anchors'),
    audit.make_append_only('audit.access_log');

revoke all on all tables in schema audit from public;
revoke all on all functions in schema audit from public;
