-- Base is what the projections add up to, for every organization and window.

with

base as (

    select * from {{ ref('roi_scenario_totals') }}

    where scenario = 'base'

)

select
    projected.organization_id,
    projected.prediction_window,
    base.organization_id as base_organization_id

from {{ ref('roi_aggregations') }} as projected

full outer join base
    on
        projected.organization_id = base.organization_id
        and projected.prediction_window = base.prediction_window

where
    (
        projected.patient_count = base.patient_count
        {%- for amount in (
            'total_intervention_cost', 'total_expected_savings', 'total_net_benefit'
        ) %}
        and abs(projected.{{ amount }} - base.{{ amount }})
        <= 1e-9 * greatest(1, projected.total_expected_savings)
        {%- endfor %}
    ) is not true
