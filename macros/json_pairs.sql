{#- A table function: one row per name in a document, with columns key and value. -#}
{% macro json_pairs(document) -%}
    {{ return(adapter.dispatch("json_pairs")(document)) }}
{%- endmacro %}

{% macro default__json_pairs(document) %}jsonb_each(cast({{ document }} as jsonb)){% endmacro %}

{% macro duckdb__json_pairs(document) %}json_each({{ document }}){% endmacro %}
