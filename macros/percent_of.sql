{#- Percentage 0-100 in double precision; 0 where the whole is 0. -#}
{% macro percent_of(part, whole) -%}
    coalesce(
        100 * cast({{ part }} as {{ type_double() }}) / nullif({{ whole }}, 0), 0
    )
{%- endmacro %}
