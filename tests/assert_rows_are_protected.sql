-- What would let somebody see a row that no policy shows them, by the catalogue. Empty
-- where the roles are not there, which the build then says. A DuckDB file has none.
{{ config(enabled=target.type == 'postgres') }}
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
                    and (
                        pg_attribute.attname in (
                            'patient_id', 'patient_uuid', 'external_id', 'desynpuf_id'
                        )
                        or (
                            relations.nspname = 'raw'
                            and pg_attribute.attname in (
                                'content', 'value', 'encrypted'
                            )
                        )
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

strange_policies as (

    select
        relations.whole_name,
        'a policy that riskmart did not make: ' || pg_policy.polname as fault
    from relations
    inner join pg_policy on relations.oid = pg_policy.polrelid
    where
        pg_policy.polname not in ('readers', 'intake')
        and not (relations.nspname = 'access' and pg_policy.polname = 'admin')
        and not (
            relations.nspname ~ 'raw$'
            and pg_policy.polname in ('intake_select', 'intake_insert', 'intake_update')
        )

),

-- Rows of an organization, by a policy that does not ask for whose one is a member.
open_policies as (

    select
        relations.whole_name,
        'a policy that shows rows of every organization: '
        || pg_policy.polname as fault
    from relations
    inner join pg_policy on relations.oid = pg_policy.polrelid
    where
        exists (
            select pg_attribute.attname
            from pg_attribute
            where
                pg_attribute.attrelid = relations.oid
                and pg_attribute.attname in ('organization_id', 'patient_id')
        )
        and coalesce(
            pg_get_expr(pg_policy.polqual, pg_policy.polrelid),
            pg_get_expr(pg_policy.polwithcheck, pg_policy.polrelid),
            'true'
        ) !~ '(access\.my_|access\.is_mine|EXISTS \( SELECT)'

),

-- What is published is in schemas of builds.
of_builds as (

    select
        oid,
        nspname,
        nspacl
    from pg_namespace
    where
        nspname ~ '^build_[0-9]+$'
        and (select protection.is_on from protection)

),

ours as (

    select oid from relations

    union all

    select pg_class.oid
    from pg_class
    inner join of_builds on pg_class.relnamespace = of_builds.oid

),

-- Views of anybody over ours, and views over those.
views_over_ours as (

    with recursive above as (

        select oid from ours

        union

        select pg_rewrite.ev_class as oid
        from above
        inner join pg_depend
            on
                above.oid = pg_depend.refobjid
                and pg_depend.refclassid = 'pg_class'::regclass
                and pg_depend.classid = 'pg_rewrite'::regclass
        inner join pg_rewrite on pg_depend.objid = pg_rewrite.oid

    )

    select oid from above

),

-- Whoever reads one that asks as its owner is past the policies.
bypassing as (

    select distinct
        pg_describe_object('pg_class'::regclass, pg_class.oid, 0) as whole_name,
        'reads rows of people as its owner, for others' as fault
    from views_over_ours
    inner join pg_class on views_over_ours.oid = pg_class.oid
    inner join pg_roles on pg_class.relowner = pg_roles.oid
    cross join lateral aclexplode(pg_class.relacl) as granted_to
    where
        pg_class.relkind in ('v', 'm')
        and not (
            pg_class.relnamespace = coalesce(to_regnamespace('access'), 0)
            and pg_class.relname in (
                'my_organizations', 'my_whole_organizations', 'my_departments',
                'my_patients', 'my_submitters'
            )
        )
        and (pg_roles.rolsuper or pg_roles.rolbypassrls)
        and granted_to.grantee <> pg_class.relowner
        and coalesce(pg_class.reloptions::text, '')
        !~ 'security_invoker=(true|on|1)'

),

-- So is whoever calls a function that runs as one who is.
running_as_owner as (

    select
        pg_proc.oid::regprocedure::text as whole_name,
        'runs for others as one who is past the policies' as fault
    from pg_proc
    inner join pg_namespace on pg_proc.pronamespace = pg_namespace.oid
    inner join pg_roles on pg_proc.proowner = pg_roles.oid
    cross join
        lateral aclexplode(
            coalesce(pg_proc.proacl, acldefault('f', pg_proc.proowner))
        ) as granted_to
    where
        pg_proc.prosecdef
        and (pg_roles.rolsuper or pg_roles.rolbypassrls)
        and granted_to.grantee <> pg_proc.proowner
        and pg_namespace.nspname not in ('audit', 'pg_catalog')
        and pg_proc.oid::regprocedure::text not in (
            'raw.last_patient_id()', 'raw.note_intake(bigint,bigint)',
            'access.may_hand_in(text)'
        )
        and (select protection.is_on from protection)

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
        relations.whole_name,
        'a column granted to PUBLIC: ' || pg_attribute.attname as fault
    from relations
    inner join pg_attribute on relations.oid = pg_attribute.attrelid
    cross join lateral aclexplode(pg_attribute.attacl) as granted_to
    where granted_to.grantee = 0

    union all

    -- Tables of builds are reached through their names alone.
    select
        of_builds.nspname as whole_name,
        'a way to tables past their names' as fault
    from of_builds
    cross join lateral aclexplode(of_builds.nspacl) as granted_to
    inner join pg_namespace on of_builds.oid = pg_namespace.oid
    where
        granted_to.grantee <> pg_namespace.nspowner
        and granted_to.grantee <> coalesce(to_regrole('riskmart_intake'), 0)

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

-- Whoever reads by policies must not be, or become, somebody who does not.
readers as (

    with recursive members as (

        select to_regrole('riskmart_reader')::oid as role_id

        union

        select pg_auth_members.member as role_id
        from members
        inner join pg_auth_members on members.role_id = pg_auth_members.roleid

    )

    select
        pg_roles.oid,
        pg_roles.rolname,
        pg_roles.rolsuper or pg_roles.rolbypassrls as is_past
    from members
    inner join pg_roles on members.role_id = pg_roles.oid

),

of_two_kinds as (

    select
        readers.rolname as whole_name,
        'reads marts, and is or may become one past the policies' as fault
    from readers
    where
        (select protection.is_on from protection)
        and (
            readers.is_past
            or pg_has_role(readers.oid, to_regrole('riskmart_builder'), 'member')
            or pg_has_role(readers.oid, to_regrole('riskmart_backup'), 'member')
        )

)

select * from unprotected
union all
select * from without_policy
union all
select * from strange_policies
union all
select * from open_policies
union all
select * from bypassing
union all
select * from running_as_owner
union all
select * from open_to_all
union all
select * from led_astray
union all
select * from of_two_kinds
