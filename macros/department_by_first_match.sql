{#-
    Department rules as one `case`: a branch per rule in rule order, its conditions
    joined by `and`, a rule without conditions as `else`. One pass over the patients;
    as a join it would be patients times rules.
-#}
{% macro department_by_first_match(conditions) -%}
    {%- if conditions %}
    case
        {%- for _, rule in conditions | groupby("rule_order") %}
        {%- if rule[0].feature_name %}
        when
            {% for condition in rule -%}
            {{ condition.feature_name }} {{ condition.operator }} {{ _as_whole(condition.threshold) }}
            {%- if not loop.last %}
            and {% endif -%}
            {%- endfor %}
            then '{{ rule[0].department_code }}'
        {%- else %}
        else '{{ rule[0].department_code }}'
        {%- endif %}
        {%- endfor %}
    end
    {%- else -%}
    cast(null as {{ dbt.type_string() }})
    {%- endif -%}
{%- endmacro %}

{#- 1 rather than 1.0: a flag is compared as an integer, not cast to numeric. -#}
{% macro _as_whole(threshold) -%}
    {{ threshold | int if threshold == threshold | int else threshold }}
{%- endmacro %}
