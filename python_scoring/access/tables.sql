-- Who belongs to which organization, department and patient list, and what every row
-- policy asks. Idempotent; run where the roles are there (roles.py).
--
-- A policy's subquery runs with the rights of whoever asks, so that it reads these
-- views, which show nobody but themselves, and never the tables.

create schema if not exists access;
revoke all on schema access from public;

-- A login's own name; of a null department, all of the organization's.
create table if not exists access.memberships (
    member text not null,
    org_code text not null,
    department_code text,
    granted_by text not null default session_user,
    granted_at timestamptz not null default clock_timestamp(),
    unique nulls not distinct (member, org_code, department_code)
);

create table if not exists access.assigned_patients (
    member text not null,
    patient_id bigint not null,
    granted_by text not null default session_user,
    granted_at timestamptz not null default clock_timestamp(),
    primary key (member, patient_id)
);

-- As what a login belongs there: the roles that it was given, by the names that
-- `riskmart access grant` has for them; null where that is from before it was noted.
alter table access.memberships add column if not exists roles text [];
alter table access.assigned_patients add column if not exists roles text [];

-- An admin looks at its organizations' members. Who changes them is `riskmart access`,
-- run by who builds, for that is in the trail.
alter table access.memberships enable row level security, force row level security;
alter table access.assigned_patients
enable row level security, force row level security;

-- Numbers are a build's, codes are for good: these are the published build's.
create table if not exists access.organizations (
    organization_id integer primary key,
    org_code text not null unique
);
create table if not exists access.departments (
    department_id smallint primary key,
    department_code text not null unique
);

create or replace view access.my_organizations
with (security_barrier = true) as
select distinct
    organizations.organization_id,
    organizations.org_code
from access.memberships
inner join access.organizations
    on memberships.org_code = organizations.org_code
where memberships.member = current_user;

create or replace view access.my_whole_organizations
with (security_barrier = true) as
select
    organizations.organization_id,
    organizations.org_code
from access.memberships
inner join access.organizations
    on memberships.org_code = organizations.org_code
where
    memberships.member = current_user
    and memberships.department_code is null;

drop policy if exists admin on access.memberships;
create policy admin on access.memberships for select to riskmart_admin
using (org_code in (select org_code from access.my_whole_organizations));

create or replace view access.my_departments
with (security_barrier = true) as
select distinct
    organizations.organization_id,
    departments.department_id
from access.memberships
inner join access.organizations
    on memberships.org_code = organizations.org_code
inner join access.departments
    on
        memberships.department_code is null
        or memberships.department_code = departments.department_code
where memberships.member = current_user;

create or replace view access.my_patients
with (security_barrier = true) as
select patient_id
from access.assigned_patients
where member = current_user;

-- Whose queued records a login that takes patients in may read: its own, and those of
-- logins that belong nowhere else.
create or replace view access.my_submitters
with (security_barrier = true) as
select memberships.member
from access.memberships
group by memberships.member
having bool_and(
    memberships.org_code in (
        select mine.org_code
        from access.memberships as mine
        where mine.member = current_user and mine.department_code is null
    )
)
union
select cast(current_user as text);

-- Whether a patient is of a login's organizations. The registry is a dbt model's: not
-- there yet when the policies that ask this are made.
create or replace function access.is_mine(patient bigint) returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    return exists (
        select from raw.patient_registry as known where known.patient_id = patient
    );
end
$$;

-- Of which organizations a login may hand people in; null where of all.
create or replace function access.may_hand_in(login text) returns text []
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (
        select from pg_roles
        where rolname = login and (
            rolsuper or rolbypassrls
            or pg_has_role(oid, to_regrole('riskmart_builder'), 'member')
        )
    ) then
        return null;
    end if;
    return array(
        select org_code from access.memberships
        where member = login and department_code is null
    );
end
$$;

-- Called once a statement by the policies of person-level marts. It goes to the
-- server's log, which the reader's own rollback cannot take back; where pgaudit is at
-- work it has the statement already. Stable, for it changes nothing in the database: a
-- CTE over a policy that asks a volatile function is made whole before it is filtered.
create or replace function access.note_read(relation text) returns boolean
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
begin
    -- A setting of that name that anybody may set is not pgaudit's.
    if coalesce(current_setting('pgaudit.log', true), 'none') = 'none' or not exists (
        select from pg_settings where name = 'pgaudit.log' and context = 'superuser'
    ) then
        raise log 'riskmart_access %', json_build_object(
            'at', clock_timestamp(),
            'user', session_user,
            'role', current_user,
            'relation', relation,
            'pid', pg_backend_pid(),
            'client', coalesce(host(inet_client_addr()), 'local')
        );
    end if;
    return true;
end
$$;
revoke all on all functions in schema access from public;
