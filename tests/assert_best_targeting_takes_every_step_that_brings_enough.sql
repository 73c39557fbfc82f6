-- The best strategy's budgets are what all steps at or above a return per dollar cost.

with

steps as (

    select
        *,
        {{ quarter_doublings(
            'net_per_dollar', lowest_targeting_bin(), highest_targeting_bin()
        ) }} as net_bin

    from {{ ref('targeting_steps') }}

),

taken as (

    select
        frontier.organization_id,
        frontier.budget_step,
        count(*) filter (
            where steps.previous_window is null and steps.patient_id is not null
        ) as patient_count,
        coalesce(sum(steps.step_cost), 0) as spend,
        coalesce(sum(steps.step_savings), 0) as savings

    from {{ ref('targeting_frontier') }} as frontier

    inner join {{ ref('int_targeting_grid') }} as grid
        on
            frontier.targeting_strategy = grid.targeting_strategy
            and frontier.budget_step = grid.budget_step

    left join steps
        on
            frontier.organization_id = steps.organization_id
            and grid.lowest_bin <= steps.net_bin

    where frontier.targeting_strategy = 'best'

    group by frontier.organization_id, frontier.budget_step

)

select
    frontier.organization_id,
    frontier.budget_step

from {{ ref('targeting_frontier') }} as frontier

inner join {{ ref('int_targeting_grid') }} as grid
    on
        frontier.targeting_strategy = grid.targeting_strategy
        and frontier.budget_step = grid.budget_step

left join taken
    on
        frontier.organization_id = taken.organization_id
        and frontier.budget_step = taken.budget_step

where
    frontier.least_net_per_dollar is distinct from grid.least_net_per_dollar
    or (
        frontier.targeting_strategy = 'best' and (
            abs(frontier.patient_count - taken.patient_count) <= 1e-6
            and abs(frontier.total_intervention_cost - taken.spend)
            <= 1e-9 * greatest(1, taken.spend)
            and abs(frontier.total_expected_savings - taken.savings)
            <= 1e-9 * greatest(1, taken.savings)
        ) is not true
    )
    or frontier.roi_percent is distinct from
    100 * frontier.total_net_benefit / nullif(frontier.total_intervention_cost, 0)
