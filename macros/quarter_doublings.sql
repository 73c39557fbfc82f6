{#- How often an amount above 0 has doubled since 1, in whole fourths, within bounds. -#}
{% macro quarter_doublings(amount, lowest, highest) -%}
    cast(
        least(greatest(floor(4 * ln({{ amount }}) / ln(2.0)), {{ lowest }}), {{ highest }})
        as integer
    )
{%- endmacro %}
