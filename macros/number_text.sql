{#- A number as a text, in the fewest digits that say it: 1 rather than 1.0. -#}
{% macro number_text(number) -%}
    {{ return(adapter.dispatch("number_text")(number)) }}
{%- endmacro %}

{% macro default__number_text(number) -%}
    cast({{ number }} as {{ dbt.type_string() }})
{%- endmacro %}

{% macro duckdb__number_text(number) -%}
    replace(regexp_replace(cast({{ number }} as varchar), '[.]0$', ''), 'nan', 'NaN')
{%- endmacro %}
