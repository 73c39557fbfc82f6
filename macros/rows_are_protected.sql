{#- Whether the roles are there, and who builds is past every policy. -#}
{% macro rows_are_protected() %}
    {% if not execute or target.type == "duckdb" %}{% do return(false) %}{% endif %}
    {% set found = run_query(
        "select to_regclass('access.my_departments') is not null and (rolsuper or "
        ~ "rolbypassrls) from pg_roles where rolname = current_user"
    ) %}
    {% do return(found.columns[0].values()[0]) %}
{% endmacro %}
