{#-
  A count as outsiders see it: the nearest multiple of the var smallest_published_count,
  and null for less than that.
-#}
{% macro published_count(count) -%}
    {%- set least = var('smallest_published_count') -%}
    case
        when {{ count }} >= {{ least }}
            then cast(
                {{ least }}
                * floor(cast({{ count }} as {{ type_double() }}) / {{ least }} + 0.5)
                as {{ dbt.type_bigint() }}
            )
    end
{%- endmacro %}
