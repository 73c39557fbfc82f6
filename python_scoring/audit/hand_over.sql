-- Give the trail to riskmart_audit_keeper, whom nobody can be, and to each role what
-- it needs. Idempotent; does nothing where there are no such roles. Who may not give it
-- away, on a server whose roles are for other databases, keeps it.
do $$
declare
    thing text;
    needs record;
begin
    if pg_has_role(to_regrole('riskmart_audit_keeper'), 'member') then
        for thing in
            select 'schema audit'
            union all
            select 'table ' || cast(oid as regclass)
            from pg_class
            where relnamespace = 'audit'::regnamespace and relkind in ('r', 'p')
            union all
            select 'function ' || cast(oid as regprocedure)
            from pg_proc
            where pronamespace = 'audit'::regnamespace
        loop
            execute format('alter %s owner to riskmart_audit_keeper', thing);
        end loop;
    end if;
    for needs in
        select roles.name, needed.privilege
        from (
            values
            ('usage on schema audit', array['admin', 'builder', 'intake', 'auditor']),
            (
                'execute on function audit.append(text, text, bigint, bigint, jsonb, text)',
                array['admin', 'builder', 'intake']
            ),
            (
                'execute on function audit.head()',
                array['admin', 'builder', 'intake', 'auditor']
            ),
            (
                'execute on function audit.drop_month('
                || 'date, bigint, text, integer, text, text, text)',
                array['admin']
            ),
            ('execute on function audit.note_reads(jsonb)', array['admin']),
            (
                'select on audit.audit_log, audit.anchors, audit.access_log',
                array['auditor']
            )
        ) as needed (privilege, who)
        cross join lateral unnest(needed.who) as whose (who)
        cross join lateral (values ('riskmart_' || whose.who)) as roles (name)
        where to_regrole(roles.name) is not null
    loop
        execute format('grant %s to %I', needs.privilege, needs.name);
    end loop;
end
$$;
