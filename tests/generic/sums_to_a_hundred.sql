{#- Percentages of a group sum to 100, or to 0 where the group counts nobody. -#}
{% test sums_to_a_hundred(model, percent, count, by) %}

select
    {{ by | join(",\n    ") }},
    sum({{ percent }}) as percent_sum,
    sum({{ count }}) as count_sum

from {{ model }}

group by {{ by | join(", ") }}

having abs(sum({{ percent }}) - case when sum({{ count }}) > 0 then 100 else 0 end) > 1e-9

{% endtest %}
