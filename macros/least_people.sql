{#- How many people published cells hold at least: shown ones were rounded. -#}
{% macro least_people(published) -%}
    {%- set least = var('smallest_published_count') -%}
    coalesce(
        sum(
            case
                when {{ published }} > {{ least }} then {{ published }} - {{ least // 2 }}
                else {{ published }}
            end
        ), 0
    )
{%- endmacro %}
