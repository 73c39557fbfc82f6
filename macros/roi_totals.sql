{#- The ROI measures of a group of projections, the same in every summary. -#}
{% macro roi_totals() -%}
    count(*) as patient_count,
    avg(roi_percent) as average_roi_percent,
    count(*) filter (where is_positive_roi) as positive_roi_count,
    count(*) filter (where roi_category = 'EXCELLENT') as excellent_roi_count,
    sum(intervention_cost) as total_intervention_cost,
    sum(expected_savings) as total_expected_savings,
    sum(net_benefit) as total_net_benefit
{%- endmacro %}
