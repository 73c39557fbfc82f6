{#- When the statement's transaction began. Only for columns that say when, never for logic. -#}
{% macro run_timestamp() -%}
    now()
{%- endmacro %}
