-- Every published cell is its true count to the nearest multiple; what is hidden is
-- small, or is withheld with all that it could be worked out from.

{% set least = var('smallest_published_count') %}

with

departments as (

    select
        published.organization_id,
        published.department_id as group_id,
        published.patient_count as published_count,
        truth.patient_count as true_count

    from {{ ref('dept_risk_distribution_suppressed') }} as published

    inner join {{ ref('dept_risk_distribution') }} as truth
        on
            published.organization_id = truth.organization_id
            and published.prediction_window = truth.prediction_window
            and published.department_id = truth.department_id
            and published.risk_tier = truth.risk_tier

),

migration as (

    select
        published.organization_id,
        0 as group_id,
        published.patient_count as published_count,
        truth.patient_count as true_count

    from {{ ref('tier_migration_suppressed') }} as published

    inner join {{ ref('tier_migration') }} as truth
        on
            published.organization_id = truth.organization_id
            and published.prediction_window = truth.prediction_window
            and published.previous_tier = truth.previous_tier
            and published.risk_tier = truth.risk_tier

),

cells as (

    select * from departments

    union all

    select * from migration

),

judged as (

    select
        *,
        count(published_count) over (partition by organization_id, group_id)
            as shown_cells

    from cells

)

select * from judged

where
    2 * abs(published_count - true_count) > {{ least }}
    or (published_count is not null and true_count < {{ least }})
    or (published_count is null and true_count >= {{ least }} and shown_cells > 0)
