-- The organization's, the departments' and the target list's totals are the
-- projections' own.

with

projected as (

    select
        organization_id,
        prediction_window,
        count(*) as patient_count,
        count(*) filter (where net_benefit > 0) as positive_roi_count,
        sum(net_benefit) as total_net_benefit

    from {{ ref('financial_projections') }}

    group by organization_id, prediction_window

),

departments as (

    select
        organization_id,
        prediction_window,
        sum(patient_count) as patient_count,
        sum(positive_roi_count) as positive_roi_count,
        sum(total_net_benefit) as total_net_benefit

    from {{ ref('roi_by_department') }}

    group by organization_id, prediction_window

),

target_list as (

    select
        organization_id,
        prediction_window,
        count(*) as positive_roi_count

    from {{ ref('positive_roi_patients') }}

    group by organization_id, prediction_window

)

select
    totals.organization_id,
    totals.prediction_window

from {{ ref('roi_aggregations') }} as totals

left join projected
    on
        totals.organization_id = projected.organization_id
        and totals.prediction_window = projected.prediction_window

left join departments
    on
        totals.organization_id = departments.organization_id
        and totals.prediction_window = departments.prediction_window

left join target_list
    on
        totals.organization_id = target_list.organization_id
        and totals.prediction_window = target_list.prediction_window

where
    totals.patient_count <> coalesce(projected.patient_count, 0)
    or totals.patient_count is distinct from departments.patient_count
    or totals.positive_roi_count <> coalesce(projected.positive_roi_count, 0)
    or totals.positive_roi_count is distinct from departments.positive_roi_count
    or totals.positive_roi_count <> coalesce(target_list.positive_roi_count, 0)
    or abs(totals.total_net_benefit - coalesce(projected.total_net_benefit, 0))
    > 1e-9 * greatest(1, totals.total_expected_savings + totals.total_intervention_cost)
    or abs(totals.total_net_benefit - departments.total_net_benefit)
    > 1e-9 * greatest(1, totals.total_expected_savings + totals.total_intervention_cost)
