with

current_loads as (

    select * from {{ ref('int_cohort_loads') }}

    where is_current

),

windows as (

    select * from {{ ref('prediction_windows') }}

),

scenarios as (

    select * from {{ ref('int_roi_scenarios') }}

),

roi_sums as (

    select * from {{ ref('roi_sums') }}

),

sums as (

    select
        organization_id,
        prediction_window,
        sum(patient_count) as patient_count,
        sum(total_intervention_cost) as total_intervention_cost,
        sum(total_expected_savings) as total_expected_savings

    from roi_sums

    group by organization_id, prediction_window

),

totals as (

    select
        current_loads.organization_id,
        windows.prediction_window,
        scenarios.scenario,
        scenarios.savings_factor,
        coalesce(sums.patient_count, 0) as patient_count,
        coalesce(sums.total_intervention_cost, 0) as total_intervention_cost,
        scenarios.savings_factor * coalesce(sums.total_expected_savings, 0)
            as total_expected_savings

    from current_loads

    cross join windows

    cross join scenarios

    left join sums
        on
            current_loads.organization_id = sums.organization_id
            and windows.prediction_window = sums.prediction_window

),

judged as (

    select
        *,
        count(*) filter (where total_expected_savings > total_intervention_cost)
            over (partition by organization_id, prediction_window) as paying_count

    from totals

),

final as (

    select
        organization_id,
        prediction_window,
        scenario,
        cast(patient_count as {{ dbt.type_bigint() }}) as patient_count,
        total_intervention_cost,
        total_expected_savings,
        total_expected_savings - total_intervention_cost as total_net_benefit,
        100 * (total_expected_savings - total_intervention_cost)
        / nullif(total_intervention_cost, 0) as roi_percent,
        -- Scenarios are in order: who pays in two of them pays in base.
        case
            when patient_count = 0 then 'nobody to judge'
            when paying_count = 3 then 'pays in every scenario'
            when paying_count = 2 then 'pays unless conservative'
            when paying_count = 1 then 'pays only if optimistic'
            else 'does not pay'
        end as verdict

    from judged

)

select * from final
