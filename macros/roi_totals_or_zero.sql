{#- Sums of `roi_sums` beside a grid: a group without projections counts and sums to 0. -#}
{% macro roi_totals_or_zero(totals) -%}
    coalesce({{ totals }}.patient_count, 0) as patient_count,
    {{ totals }}.total_roi_percent / {{ totals }}.patient_count as average_roi_percent,
    coalesce({{ totals }}.positive_roi_count, 0) as positive_roi_count,
    coalesce({{ totals }}.excellent_roi_count, 0) as excellent_roi_count,
    coalesce({{ totals }}.total_intervention_cost, 0) as total_intervention_cost,
    coalesce({{ totals }}.total_expected_savings, 0) as total_expected_savings,
    coalesce({{ totals }}.total_net_benefit, 0) as total_net_benefit
{%- endmacro %}
