-- The sums that summaries are made from are the summaries' own, row by row: a group
-- without people has none.

with

risk_shown as (

    select * from {{ ref('dept_risk_distribution') }}

    where patient_count > 0

),

roi_shown as (

    select * from {{ ref('roi_by_department') }}

    where patient_count > 0

),

risk as (

    select
        'risk_sums' as mart,
        coalesce(sums.organization_id, shown.organization_id) as organization_id,
        coalesce(sums.prediction_window, shown.prediction_window) as prediction_window,
        coalesce(sums.department_id, shown.department_id) as department_id

    from {{ ref('risk_sums') }} as sums

    full outer join risk_shown as shown
        on
            sums.organization_id = shown.organization_id
            and sums.prediction_window = shown.prediction_window
            and sums.department_id = shown.department_id
            and sums.risk_tier = shown.risk_tier

    where
        sums.patient_count is distinct from shown.patient_count
        or abs(sums.total_risk_score - shown.average_risk_score * shown.patient_count)
        > 1e-9 * shown.patient_count

),

roi as (

    select
        'roi_sums' as mart,
        coalesce(sums.organization_id, shown.organization_id) as organization_id,
        coalesce(sums.prediction_window, shown.prediction_window) as prediction_window,
        coalesce(sums.department_id, shown.department_id) as department_id

    from {{ ref('roi_sums') }} as sums

    full outer join roi_shown as shown
        on
            sums.organization_id = shown.organization_id
            and sums.prediction_window = shown.prediction_window
            and sums.department_id = shown.department_id

    where
        sums.patient_count is distinct from shown.patient_count
        or sums.positive_roi_count is distinct from shown.positive_roi_count
        or sums.excellent_roi_count is distinct from shown.excellent_roi_count
        or abs(sums.total_roi_percent - shown.average_roi_percent * shown.patient_count)
        > 1e-9 * greatest(shown.patient_count, abs(sums.total_roi_percent))
        or abs(sums.total_intervention_cost - shown.total_intervention_cost)
        > 1e-9 * greatest(1, shown.total_intervention_cost)
        or abs(sums.total_expected_savings - shown.total_expected_savings)
        > 1e-9 * greatest(1, shown.total_expected_savings)
        or abs(sums.total_net_benefit - shown.total_net_benefit)
        > 1e-9 * greatest(1, shown.total_expected_savings)

)

select * from risk

union all

select * from roi
