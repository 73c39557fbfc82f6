-- What a strategy that knows less does with the budget: in the window that nets most if
-- everybody is called, whole priorities first, and what is left on a part of the next.

with

nets as (

    select
        organization_id,
        prediction_window,
        sum(net_benefit) as net_benefit

    from {{ ref('financial_projections') }}

    where not is_control

    group by organization_id, prediction_window

),

best_windows as (

    select
        nets.organization_id,
        min(nets.prediction_window) as prediction_window

    from nets

    left join nets as other
        on
            nets.organization_id = other.organization_id
            and nets.net_benefit < other.net_benefit

    where other.organization_id is null

    group by nets.organization_id

),

priorities as (

    select sums.*

    from {{ ref('targeting_sums') }} as sums

    inner join best_windows
        on
            sums.organization_id = best_windows.organization_id
            and sums.prediction_window = best_windows.prediction_window

    where sums.targeting_strategy <> 'best'

),

queue as (

    select
        *,
        coalesce(
            sum(total_intervention_cost) over (
                partition by organization_id, targeting_strategy
                order by priority_bin desc
                rows between unbounded preceding and 1 preceding
            ), 0
        ) as spent_before

    from priorities

),

reached as (

    select
        frontier.organization_id,
        frontier.targeting_strategy,
        frontier.budget_step,
        queue.patient_count,
        queue.total_intervention_cost,
        queue.total_expected_savings,
        least(
            (frontier.budget - queue.spent_before) / queue.total_intervention_cost, 1
        ) as reached_part

    from {{ ref('targeting_frontier') }} as frontier

    inner join queue
        on
            frontier.organization_id = queue.organization_id
            and frontier.targeting_strategy = queue.targeting_strategy
            and frontier.budget > queue.spent_before

),

expected as (

    select
        organization_id,
        targeting_strategy,
        budget_step,
        sum(reached_part * patient_count) as patient_count,
        sum(reached_part * total_intervention_cost) as total_intervention_cost,
        sum(reached_part * total_expected_savings) as total_expected_savings

    from reached

    group by organization_id, targeting_strategy, budget_step

)

select
    frontier.organization_id,
    frontier.targeting_strategy,
    frontier.budget_step

from {{ ref('targeting_frontier') }} as frontier

left join expected
    on
        frontier.organization_id = expected.organization_id
        and frontier.targeting_strategy = expected.targeting_strategy
        and frontier.budget_step = expected.budget_step

where
    frontier.targeting_strategy <> 'best'
    and (
        abs(frontier.patient_count - coalesce(expected.patient_count, 0))
        <= 1e-6 * greatest(1, coalesce(expected.patient_count, 0))
        {%- for amount in ('total_intervention_cost', 'total_expected_savings') %}
        and abs(frontier.{{ amount }} - coalesce(expected.{{ amount }}, 0))
        <= 1e-6 * greatest(1, coalesce(expected.{{ amount }}, 0))
        {%- endfor %}
    ) is not true
