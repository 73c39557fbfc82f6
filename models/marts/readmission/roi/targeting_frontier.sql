{#- How much of a priority the budget reaches. -#}
{%- set share %}least(
                greatest((budgets.budget - queue.spend_before) / queue.spend, 0), 1
            ){% endset -%}
with

current_loads as (

    select * from {{ ref('int_cohort_loads') }}

    where is_current

),

grid as (

    select * from {{ ref('int_targeting_grid') }}

),

sums as (

    select * from {{ ref('targeting_sums') }}

),

-- Who does not look at each patient takes one window for all: where all net the most.
window_ranks as (

    select
        organization_id,
        prediction_window,
        row_number() over (
            partition by organization_id
            order by
                sum(total_expected_savings - total_intervention_cost) desc,
                prediction_window asc
        ) as window_rank

    from sums

    where targeting_strategy = 'random'

    group by organization_id, prediction_window

),

queue as (

    select
        sums.organization_id,
        sums.targeting_strategy,
        sums.priority_bin,
        sum(sums.new_patient_count) as patient_count,
        sum(sums.total_intervention_cost) as spend,
        sum(sums.total_expected_savings) as savings,
        sum(sum(sums.total_intervention_cost)) over (
            partition by sums.organization_id, sums.targeting_strategy
            order by sums.priority_bin desc
        ) - sum(sums.total_intervention_cost) as spend_before

    from sums

    inner join window_ranks
        on
            sums.organization_id = window_ranks.organization_id
            and sums.prediction_window = window_ranks.prediction_window

    where window_ranks.window_rank = 1 or sums.targeting_strategy = 'best'

    group by sums.organization_id, sums.targeting_strategy, sums.priority_bin

),

budgets as (

    select
        current_loads.organization_id,
        grid.budget_step,
        coalesce(sum(queue.spend), 0) as budget

    from current_loads

    cross join grid

    left join queue
        on
            current_loads.organization_id = queue.organization_id
            and grid.targeting_strategy = queue.targeting_strategy
            and grid.lowest_bin <= queue.priority_bin

    where grid.targeting_strategy = 'best'

    group by current_loads.organization_id, grid.budget_step

),

-- At one priority any order is as good: part of the money does the same part of it.
spent as (

    select
        budgets.organization_id,
        grid.targeting_strategy,
        grid.budget_step,
        max(grid.least_net_per_dollar) as least_net_per_dollar,
        budgets.budget,
        coalesce(sum(queue.patient_count * {{ share }}), 0) as patient_count,
        coalesce(sum(queue.spend * {{ share }}), 0) as spend,
        coalesce(sum(queue.savings * {{ share }}), 0) as savings

    from budgets

    inner join grid on budgets.budget_step = grid.budget_step

    left join queue
        on
            budgets.organization_id = queue.organization_id
            and grid.targeting_strategy = queue.targeting_strategy

    group by
        budgets.organization_id,
        budgets.budget,
        grid.targeting_strategy,
        grid.budget_step

),

final as (

    select
        organization_id,
        targeting_strategy,
        budget_step,
        least_net_per_dollar,
        budget,
        patient_count,
        spend as total_intervention_cost,
        savings as total_expected_savings,
        savings - spend as total_net_benefit,
        100 * (savings - spend) / nullif(spend, 0) as roi_percent,
        case
            when max(budget) over (partition by organization_id) > 0
                then 'somebody''s projected return is positive'
            else 'none: no patient''s projected return is positive'
        end as verdict

    from spent

)

select * from final
