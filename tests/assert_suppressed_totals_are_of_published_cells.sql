-- Totals are sums of what is published, so that there is nothing to subtract; returns
-- are near the true counts, and never more than their department shows.

{% set least = var('smallest_published_count') %}

with

cells as (

    select * from {{ ref('dept_risk_distribution_suppressed') }}

),

tiers as (

    select
        organization_id,
        prediction_window,
        risk_tier,
        sum(patient_count) as patient_count

    from cells

    group by organization_id, prediction_window, risk_tier

),

departments as (

    select
        organization_id,
        prediction_window,
        department_id,
        sum(patient_count) as patient_count

    from cells

    group by organization_id, prediction_window, department_id

),

returns as (

    select
        published.organization_id,
        published.prediction_window,
        published.department_id,
        published.patient_count,
        departments.patient_count as shown_count,
        published.positive_roi_count as published_count,
        truth.positive_roi_count as true_count

    from {{ ref('roi_by_department_suppressed') }} as published

    inner join {{ ref('roi_by_department') }} as truth
        on
            published.organization_id = truth.organization_id
            and published.prediction_window = truth.prediction_window
            and published.department_id = truth.department_id

    inner join departments
        on
            published.organization_id = departments.organization_id
            and published.prediction_window = departments.prediction_window
            and published.department_id = departments.department_id

    union all

    select
        published.organization_id,
        published.prediction_window,
        published.department_id,
        published.patient_count,
        published.patient_count as shown_count,
        published.excellent_roi_count as published_count,
        truth.excellent_roi_count as true_count

    from {{ ref('roi_by_department_suppressed') }} as published

    inner join {{ ref('roi_by_department') }} as truth
        on
            published.organization_id = truth.organization_id
            and published.prediction_window = truth.prediction_window
            and published.department_id = truth.department_id

),

faults as (

    select
        'org_tier_summary_suppressed' as mart,
        published.organization_id,
        published.prediction_window,
        published.risk_tier as group_id

    from {{ ref('org_tier_summary_suppressed') }} as published

    inner join tiers
        on
            published.organization_id = tiers.organization_id
            and published.prediction_window = tiers.prediction_window
            and published.risk_tier = tiers.risk_tier

    where published.patient_count is distinct from tiers.patient_count

    union all

    select
        'roi_by_department_suppressed' as mart,
        organization_id,
        prediction_window,
        department_id as group_id

    from returns

    where
        patient_count is distinct from shown_count
        or published_count > patient_count
        or 2 * (published_count - true_count) > {{ least }}
        or (
            2 * (true_count - published_count) > {{ least }}
            and published_count < patient_count
        )
        or (published_count is not null)
        <> (patient_count is not null and true_count >= {{ least }})

)

select * from faults
