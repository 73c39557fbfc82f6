{#-
  How many people a group of published cells could hold if one of its hidden cells was
  empty: shown ones were rounded, hidden ones are too few. Null where nothing is hidden.
-#}
{% macro most_people(published) -%}
    {%- set least = var('smallest_published_count') -%}
    case
        when count(*) > count({{ published }})
            then
                coalesce(sum({{ published }}), 0)
                + {{ least // 2 }} * count({{ published }})
                + {{ least - 1 }} * (count(*) - count({{ published }}) - 1)
    end
{%- endmacro %}
