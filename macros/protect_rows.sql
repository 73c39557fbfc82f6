{#-
    Post-hook of every table: row-level security, forced. Marts get the policy that their
    columns ask for (`row_policy`); of what is below them nobody but the builder sees a
    row. Does nothing where the roles are not there (`riskmart db init-roles`), which the
    build then says.
-#}
{% macro protect_rows() %}
    {% if not execute or model.config.materialized == "view" or not rows_are_protected() %}
        {% do return("") %}
    {% endif %}
    {% if model.config.schema == "raw" %}
        {% do _protect_registry(this) %}
        {% do return("") %}
    {% endif %}
    {% set statements = [_forced_policies(this)] %}
    {% if model.config.schema == "marts" %}
        {% do statements.extend(_mart_policies(this)) %}
    {% endif %}
    {% do run_query(statements | join("; ")) %}
{% endmacro %}

{% macro _mart_policies(relation) %}
    {% set policy = row_policy(relation, model.columns.keys() | list) %}
    {% if policy is none and not model.config.meta.get("is_shared") %}
        {% do exceptions.raise_compiler_error(
            model.name ~ ": whose rows are these? Expected a column organization_id or "
            ~ "evaluation_id, or meta: {is_shared: true} where every organization may "
            ~ "read all of it"
        ) %}
    {% endif %}
    {% set note = "(select access.note_read('" ~ relation.identifier ~ "')) and " %}
    {% set statements = [_policy(
        relation, "readers", "for select using ("
        ~ (note if "patient_id" in model.columns) ~ "(" ~ (policy or "true") ~ "))"
    )] %}
    {% set is_changed = model.tags | select(
        "in", ["intake", "intake_sums", "intake_summaries"]
    ) | list %}
    {% if is_changed %}
        {% set mine = "(organization_id = any (array("
            ~ "select organization_id from access.my_whole_organizations)))" %}
        {% do statements.append(_policy(
            relation, "intake", "to riskmart_intake using " ~ mine ~ " with check " ~ mine
        )) %}
        {% do statements.append(
            "grant insert, update, delete on " ~ relation ~ " to riskmart_intake"
        ) %}
    {% endif %}
    {% do return(statements) %}
{% endmacro %}

{% macro _forced_policies(relation) %}
    {% do return(
        "alter table " ~ relation
        ~ " enable row level security, force row level security"
    ) %}
{% endmacro %}

{#-
    The registry outlives builds, and intake beside this one has read it and may wait to
    write to it: to alter it now would be a deadlock. So that is done once, and the
    definition noted beside the policies.
-#}
{% macro _protect_registry(relation) %}
    {% set mine = "(org_code in (select org_code from access.my_whole_organizations))" %}
    {# Numbers go on from the last one: a far one would be everybody's last. #}
    {% set next = " and patient_id between 1 and raw.last_patient_id() + 1000000)" %}
    {% set policies = {
        "intake_select": "for select to riskmart_intake using " ~ mine,
        "intake_insert": "for insert to riskmart_intake with check (" ~ mine ~ next,
    } %}
    {% if not _has_policies(relation, policies) %}
        {% do run_query(_forced_policies(relation)) %}
        {% for name, clauses in policies.items() %}
            {% do run_query(_policy(relation, name, clauses)) %}
            {% do run_query(
                "comment on policy " ~ name ~ " on " ~ relation ~ " is '"
                ~ local_md5(clauses) ~ "'"
            ) %}
        {% endfor %}
    {% endif %}
    {# Update, since only that lets one lock a table; no policy lets anybody change a row. #}
    {% do run_query(
        "grant select, insert, update on " ~ relation ~ " to riskmart_intake"
    ) %}
{% endmacro %}

{% macro _has_policies(relation, policies) %}
    {% set found = run_query(
        "select p.polname, obj_description(p.oid, 'pg_policy') from pg_policy as p"
        ~ " inner join pg_class as c on p.polrelid = c.oid where c.oid = to_regclass('"
        ~ relation ~ "') and c.relrowsecurity and c.relforcerowsecurity"
    ) %}
    {% set present = dict(found.rows | map("list")) %}
    {% for name, clauses in policies.items() if present.get(name) != local_md5(clauses) %}
        {% do return(false) %}
    {% endfor %}
    {% do return(true) %}
{% endmacro %}

{% macro _policy(relation, name, clauses) %}
    {% do return(
        "drop policy if exists " ~ name ~ " on " ~ relation ~ "; create policy " ~ name
        ~ " on " ~ relation ~ " " ~ clauses
    ) %}
{% endmacro %}
