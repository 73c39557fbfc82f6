{#- When this run started. Only for columns that say when, never for logic. -#}
{% macro run_timestamp() -%}
    cast('{{ run_started_at }}' as timestamp with time zone)
{%- endmacro %}
