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
    {% do run_query(
        "alter table " ~ this ~ " enable row level security, force row level security"
    ) %}
    {% if model.config.schema == "raw" %}
        {% do _protect_registry(this) %}
    {% elif model.config.schema == "marts" %}
        {% do _protect_mart(this) %}
    {% endif %}
{% endmacro %}

{% macro _protect_mart(relation) %}
    {% set policy = row_policy(relation, model.columns.keys() | list) %}
    {% if policy is none and not model.config.meta.get("is_shared") %}
        {% do exceptions.raise_compiler_error(
            model.name ~ ": whose rows are these? Expected a column organization_id or "
            ~ "evaluation_id, or meta: {is_shared: true} where every organization may "
            ~ "read all of it"
        ) %}
    {% endif %}
    {% set note = "(select access.note_read('" ~ relation.identifier ~ "')) and " %}
    {% do _set_policy(
        relation, "readers", "for select using ("
        ~ (note if "patient_id" in model.columns) ~ "(" ~ (policy or "true") ~ "))"
    ) %}
    {% set is_changed = model.tags | select(
        "in", ["intake", "intake_sums", "intake_summaries"]
    ) | list %}
    {% if is_changed %}
        {% set mine = "(organization_id = any (array("
            ~ "select organization_id from access.my_whole_organizations)))" %}
        {% do _set_policy(
            relation, "intake", "to riskmart_intake using " ~ mine ~ " with check " ~ mine
        ) %}
        {% do run_query(
            "grant insert, update, delete on " ~ relation ~ " to riskmart_intake"
        ) %}
    {% endif %}
{% endmacro %}

{#- Update, since only that lets one lock a table; no policy lets anybody change a row. -#}
{% macro _protect_registry(relation) %}
    {% set mine = "(org_code in (select org_code from access.my_whole_organizations))" %}
    {% set to = " to riskmart_intake " %}
    {% do _set_policy(relation, "intake_select", "for select" ~ to ~ "using " ~ mine) %}
    {# Numbers go on from the last one: a far one would be everybody's last. #}
    {% set next = " and patient_id between 1 and raw.last_patient_id() + 1000000)" %}
    {% do _set_policy(
        relation, "intake_insert", "for insert" ~ to ~ "with check (" ~ mine ~ next
    ) %}
    {% do run_query("grant select, insert, update on " ~ relation ~ to) %}
{% endmacro %}

{% macro _set_policy(relation, name, clauses) %}
    {% do run_query(
        "drop policy if exists " ~ name ~ " on " ~ relation ~ "; create policy " ~ name
        ~ " on " ~ relation ~ " " ~ clauses
    ) %}
{% endmacro %}
