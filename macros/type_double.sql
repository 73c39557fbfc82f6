{#- 64-bit floating point: dbt's own type_float is 32-bit on some engines. -#}
{% macro type_double() -%}
    {{ return(adapter.dispatch("type_double")()) }}
{%- endmacro %}

{% macro default__type_double() %}double precision{% endmacro %}
