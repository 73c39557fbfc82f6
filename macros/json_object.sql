{#-
    An aggregate: a document of the names and values of a group of rows; in
    DuckDB written as PostgreSQL writes it.
-#}
{% macro json_object(name, value) -%}
    {{ return(adapter.dispatch("json_object")(name, value)) }}
{%- endmacro %}

{% macro default__json_object(name, value) -%}
    jsonb_object_agg({{ name }}, {{ value }})
{%- endmacro %}

{% macro duckdb__json_object(name, value) -%}
    cast(
        '{' || string_agg(
            to_json(cast({{ name }} as varchar)) || ': ' || to_json({{ value }}),
            ', ' order by {{ name }}
        ) || '}' as json
    )
{%- endmacro %}
