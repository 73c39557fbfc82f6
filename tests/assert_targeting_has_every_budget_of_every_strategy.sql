-- Every organization has every strategy at every budget, and nothing beside; the
-- verdict is whether any of its money brings anything.

with

expected as (

    select
        loads.organization_id,
        grid.targeting_strategy,
        grid.budget_step

    from {{ ref('int_cohort_loads') }} as loads

    cross join {{ ref('int_targeting_grid') }} as grid

    where loads.is_current

),

organizations as (

    select
        loads.organization_id,
        count(steps.patient_id) > 0 as has_steps

    from {{ ref('int_cohort_loads') }} as loads

    left join {{ ref('targeting_steps') }} as steps
        on loads.organization_id = steps.organization_id

    where loads.is_current

    group by loads.organization_id

)

select
    expected.organization_id,
    expected.targeting_strategy,
    expected.budget_step,
    shown.organization_id as shown_organization_id,
    shown.targeting_strategy as shown_strategy,
    shown.budget_step as shown_step

from expected

full outer join {{ ref('targeting_frontier') }} as shown
    on
        expected.organization_id = shown.organization_id
        and expected.targeting_strategy = shown.targeting_strategy
        and expected.budget_step = shown.budget_step

left join organizations
    on expected.organization_id = organizations.organization_id

where
    (
        expected.organization_id = shown.organization_id
        and shown.verdict = case
            when organizations.has_steps
                then 'somebody''s projected return is positive'
            else 'none: no patient''s projected return is positive'
        end
    ) is not true
