-- What would let somebody see a row that no policy shows them, by the catalogue. Empty
-- where the roles are not there, which the build then says.
{% set mine = "nspname in ('raw', 'access', 'audit', 'staging', 'intermediate',"
    ~ " 'rules','reference', 'baseline', 'candidate', 'marts')"
    if target.schema == "candidate"
    else "nspname = 'raw' or nspname like replace('" ~ target.schema
    ~ "', '_', '\\_') || '\\_%'" %}

with

-- Asked here rather than when this is compiled, which needs no connection.
protection as (

    select
        to_regclass('access.my_departments') is not null
        and (rolsuper or rolbypassrls) as is_on
    from pg_roles
    where rolname = current_user

),

rooms as (

    select
        oid,
        nspname,
        nspacl
    from pg_namespace
    where
        ({{ mine }})
        and (select protection.is_on from protection)

),

relations as (

    select
        pg_class.*,
        rooms.nspname,
        rooms.nspname || '.' || pg_class.relname as whole_name
    from pg_class
    inner join rooms on pg_class.relnamespace = rooms.oid

),

-- Of a person, by its columns; of marts and of what they are made from, all tables.
unprotected as (

    select
        relations.whole_name,
        'rows of people, and no forced row-level security' as fault
    from relations
    where
        relations.relkind in ('r', 'p')
        and not (relations.relrowsecurity and relations.relforcerowsecurity)
        and (
            relations.nspname in ('candidate', 'intermediate')
            or exists (
                select pg_attribute.attname
                from pg_attribute
                where
                    pg_attribute.attrelid = relations.oid
                    and pg_attribute.attname in (
                        'patient_id', 'patient_uuid', 'external_id', 'desynpuf_id'
                    )
            )
        )

),

without_policy as (

    select
        relations.whole_name,
        'a mart without a policy' as fault
    from relations
    left join pg_policy
        on relations.oid = pg_policy.polrelid and pg_policy.polname = 'readers'
    where
        relations.nspname = 'candidate'
        and relations.relkind in ('r', 'p')
        and pg_policy.oid is null

),

-- Views of others too: whoever reads one that asks as its owner is past the policies.
bypassing as (

    select distinct
        pg_describe_object('pg_class'::regclass, over_ours.oid, 0) as whole_name,
        'reads rows of people as its owner, for others' as fault
    from pg_class as over_ours
    inner join pg_rewrite on over_ours.oid = pg_rewrite.ev_class
    inner join pg_depend
        on
            pg_rewrite.oid = pg_depend.objid
            and pg_depend.classid = 'pg_rewrite'::regclass
            and pg_depend.refclassid = 'pg_class'::regclass
    inner join relations on pg_depend.refobjid = relations.oid
    inner join pg_roles as owners on over_ours.relowner = owners.oid
    cross join lateral aclexplode(over_ours.relacl) as granted_to
    where
        over_ours.oid <> relations.oid
        and relations.nspname <> 'access'
        and over_ours.relnamespace <> coalesce(to_regnamespace('access'), 0)
        and (owners.rolsuper or owners.rolbypassrls)
        and granted_to.grantee <> over_ours.relowner
        and coalesce(over_ours.reloptions::text, '')
        !~ 'security_invoker=(true|on|1)'

),

open_to_all as (

    select
        relations.whole_name,
        'granted to PUBLIC' as fault
    from relations
    cross join lateral aclexplode(relations.relacl) as granted_to
    where granted_to.grantee = 0

    union all

    select
        rooms.nspname as whole_name,
        'granted to PUBLIC' as fault
    from rooms
    cross join lateral aclexplode(rooms.nspacl) as granted_to
    where granted_to.grantee = 0

    union all

    select
        pg_proc.oid::regprocedure::text as whole_name,
        'everybody may call it' as fault
    from pg_proc
    inner join rooms on pg_proc.pronamespace = rooms.oid
    cross join
        lateral aclexplode(
            coalesce(pg_proc.proacl, acldefault('f', pg_proc.proowner))
        ) as granted_to
    where granted_to.grantee = 0 and pg_proc.prorettype <> 'trigger'::regtype

    union all

    select
        coalesce(rooms.nspname, 'everywhere') as whole_name,
        'default privileges that open the next table' as fault
    from pg_default_acl
    left join rooms on pg_default_acl.defaclnamespace = rooms.oid
    cross join lateral aclexplode(pg_default_acl.defaclacl) as granted_to
    where
        (rooms.oid is not null or pg_default_acl.defaclnamespace = 0)
        and pg_default_acl.defaclobjtype in ('r', 'S', 'n')
        and granted_to.grantee <> pg_default_acl.defaclrole
        and (select protection.is_on from protection)

),

led_astray as (

    select
        pg_proc.oid::regprocedure::text as whole_name,
        'a function whose search_path whoever calls it chooses' as fault
    from pg_proc
    inner join rooms on pg_proc.pronamespace = rooms.oid
    where not coalesce(pg_proc.proconfig::text, '') ~ 'search_path='

),

-- Whoever reads by policies must not be able to become somebody who does not.
of_two_kinds as (

    select
        readers.rolname as whole_name,
        'reads marts and may become ' || bypassing_roles.rolname as fault
    from pg_roles as readers
    inner join pg_roles as bypassing_roles
        on
            bypassing_roles.rolname in ('riskmart_builder', 'riskmart_backup')
            and pg_has_role(readers.oid, bypassing_roles.oid, 'member')
    where
        not readers.rolsuper
        and (select protection.is_on from protection)
        and pg_has_role(readers.oid, to_regrole('riskmart_reader'), 'member')

)

select * from unprotected
union all
select * from without_policy
union all
select * from bypassing
union all
select * from open_to_all
union all
select * from led_astray
union all
select * from of_two_kinds
