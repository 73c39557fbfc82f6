-- Every organization and window has every scenario, with what the projections of its
-- people add up to under the scenario's assumptions; the verdict is in how many of the
-- three scenarios the window pays.

with

projected as (

    select
        organization_id,
        prediction_window,
        count(*) as patient_count,
        sum(intervention_cost) as total_intervention_cost,
        sum(expected_savings) as total_expected_savings

    from {{ ref('financial_projections') }}

    group by organization_id, prediction_window

),

expected as (

    select
        loads.organization_id,
        windows.prediction_window,
        scenarios.scenario,
        coalesce(projected.patient_count, 0) as patient_count,
        coalesce(projected.total_intervention_cost, 0) as total_intervention_cost,
        scenarios.savings_factor * coalesce(projected.total_expected_savings, 0)
            as total_expected_savings

    from {{ ref('int_cohort_loads') }} as loads

    cross join {{ ref('prediction_windows') }} as windows

    cross join {{ ref('int_roi_scenarios') }} as scenarios

    left join projected
        on
            loads.organization_id = projected.organization_id
            and windows.prediction_window = projected.prediction_window

    where loads.is_current

),

shown as (

    select
        *,
        sum(case when total_net_benefit > 0 then 1 else 0 end) over (
            partition by organization_id, prediction_window
        ) as paying_count

    from {{ ref('roi_scenario_totals') }}

)

select
    expected.organization_id,
    expected.prediction_window,
    expected.scenario,
    shown.organization_id as shown_organization_id,
    shown.prediction_window as shown_prediction_window,
    shown.scenario as shown_scenario

from expected

full outer join shown
    on
        expected.organization_id = shown.organization_id
        and expected.prediction_window = shown.prediction_window
        and expected.scenario = shown.scenario

where
    (
        shown.patient_count = expected.patient_count
        {%- for amount in ('total_intervention_cost', 'total_expected_savings') %}
        and abs(shown.{{ amount }} - expected.{{ amount }})
        <= 1e-9 * greatest(1, expected.{{ amount }})
        {%- endfor %}
        and abs(
            shown.total_net_benefit
            - (shown.total_expected_savings - shown.total_intervention_cost)
        )
        <= 1e-9 * greatest(1, expected.total_expected_savings)
        and (shown.roi_percent is null) = (expected.patient_count = 0)
        and (
            expected.patient_count = 0
            or abs(
                shown.roi_percent
                - 100 * shown.total_net_benefit / expected.total_intervention_cost
            )
            <= 1e-6
        )
        and shown.verdict = case
            when expected.patient_count = 0 then 'nobody to judge'
            when shown.paying_count = 3 then 'pays in every scenario'
            when shown.paying_count = 2 then 'pays unless conservative'
            when shown.paying_count = 1 then 'pays only if optimistic'
            else 'does not pay'
        end
    ) is not true
