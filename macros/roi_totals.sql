{#- The ROI measures of a group of projections, the same in every summary. -#}
{% macro roi_totals(projections) -%}
    count({{ projections }}.patient_id) as patient_count,
    avg({{ projections }}.roi_percent) as average_roi_percent,
    count(*) filter (where {{ projections }}.is_positive_roi) as positive_roi_count,
    count(*) filter (where {{ projections }}.roi_category = 'EXCELLENT')
        as excellent_roi_count,
    coalesce(sum({{ projections }}.intervention_cost), 0) as total_intervention_cost,
    coalesce(sum({{ projections }}.expected_savings), 0) as total_expected_savings,
    coalesce(sum({{ projections }}.net_benefit), 0) as total_net_benefit
{%- endmacro %}
