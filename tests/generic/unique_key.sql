{#- The columns are never null and, together, name one row each. -#}
{% test unique_key(model, columns) %}

select
    {{ columns | join(",\n    ") }},
    count(*) as row_count

from {{ model }}

group by {{ columns | join(", ") }}

having
    count(*) > 1
    {%- for column in columns %}
    or {{ column }} is null
    {%- endfor %}

{% endtest %}
