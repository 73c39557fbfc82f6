{#- Names of the constraints that a relation has in PostgreSQL's catalogue. -#}
{% macro attached_keys(relation) %}
    {% set names = run_query(
        "select conname from pg_constraint where conrelid = to_regclass('"
        ~ relation ~ "') and contype in ('p', 'u', 'f', 'c')"
    ) %}
    {% do return(names.columns[0].values() | list) %}
{% endmacro %}
