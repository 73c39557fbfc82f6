{#- What is wrong with a tier x window pair of a rule seed; null where nothing is. -#}
{% macro pair_problem(values_cte, condition, expected) -%}
    case
        when pairs.risk_tier is null
            then 'no such tier or window in risk_tiers and prediction_windows'
        when {{ values_cte }}.risk_tier is null then 'missing: expected {{ expected }}'
        when {{ values_cte }}.row_count > 1 then 'given twice'
        when {{ values_cte }}.{{ condition }} then null
        else 'value ' || {{ number_text(values_cte ~ '.given_value') }}
            || ', expected {{ expected }}'
    end
{%- endmacro %}
