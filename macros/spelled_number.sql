{#- A number in words for people: rounded to decimals, commas between thousands. -#}
{% macro spelled_number(number, decimals) -%}
    {{ return(adapter.dispatch("spelled_number")(number, decimals)) }}
{%- endmacro %}

{% macro default__spelled_number(number, decimals) -%}
    to_char({{ number }}, 'FM999,999,999,990{{ "." ~ "0" * decimals if decimals }}')
{%- endmacro %}

{% macro duckdb__spelled_number(number, decimals) -%}
    format('{:,.{{ decimals }}f}', cast({{ number }} as {{ type_double() }}))
{%- endmacro %}
