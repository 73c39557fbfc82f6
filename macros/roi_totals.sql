{#- The sums of a group of rows of `roi_sums`, under the same names. -#}
{% macro roi_totals() -%}
    cast(sum(patient_count) as {{ dbt.type_bigint() }}) as patient_count,
    cast(sum(positive_roi_count) as {{ dbt.type_bigint() }}) as positive_roi_count,
    cast(sum(excellent_roi_count) as {{ dbt.type_bigint() }}) as excellent_roi_count,
    sum(total_roi_percent) as total_roi_percent,
    sum(total_intervention_cost) as total_intervention_cost,
    sum(total_expected_savings) as total_expected_savings,
    sum(total_net_benefit) as total_net_benefit
{%- endmacro %}
