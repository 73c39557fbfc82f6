{#- How much of the last priority the budget reaches. -#}
{%- set share = "least((located.money_spent - queue.spend_before) / queue.spend, 1)" -%}
with

current_loads as (

    select * from {{ ref('int_cohort_loads') }}

    where is_current

),

grid as (

    select * from {{ ref('int_targeting_grid') }}

),

queue as (

    select * from {{ ref('int_targeting_queue') }}

),

budgets as (

    select
        current_loads.organization_id,
        grid.budget_step,
        max(grid.least_net_per_dollar) as least_net_per_dollar,
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

-- Budgets among the priorities, by money: each comes to the last priority before it.
money_order as (

    select
        organization_id,
        targeting_strategy,
        priority_bin,
        spend_before as money_spent,
        cast(null as smallint) as budget_step,
        cast(null as {{ type_double() }}) as least_net_per_dollar

    from queue

    union all

    select
        budgets.organization_id,
        grid.targeting_strategy,
        cast(null as integer) as priority_bin,
        budgets.budget as money_spent,
        budgets.budget_step,
        budgets.least_net_per_dollar

    from budgets

    inner join grid on budgets.budget_step = grid.budget_step

),

located as (

    select
        *,
        min(priority_bin) over (
            partition by organization_id, targeting_strategy
            order by money_spent asc, budget_step asc nulls last
            rows between unbounded preceding and current row
        ) as last_bin

    from money_order

),

spent as (

    select
        located.organization_id,
        located.targeting_strategy,
        located.budget_step,
        located.least_net_per_dollar,
        located.money_spent as budget,
        coalesce(queue.patients_before + {{ share }} * queue.patient_count, 0)
            as patient_count,
        coalesce(queue.spend_before + {{ share }} * queue.spend, 0)
            as total_intervention_cost,
        coalesce(queue.savings_before + {{ share }} * queue.savings, 0)
            as total_expected_savings,
        case
            when
                located.targeting_strategy = 'risk_blind'
                and queue.patient_count > 1 and {{ share }} < 1
                then queue.savings * greatest({{ share }}, 1 - {{ share }})
            else 0
        end as net_benefit_margin

    from located

    left join queue
        on
            located.organization_id = queue.organization_id
            and located.targeting_strategy = queue.targeting_strategy
            and located.last_bin = queue.priority_bin

    where located.budget_step is not null

),

final as (

    select
        organization_id,
        targeting_strategy,
        budget_step,
        least_net_per_dollar,
        budget,
        patient_count,
        total_intervention_cost,
        total_expected_savings,
        total_expected_savings - total_intervention_cost as total_net_benefit,
        net_benefit_margin,
        100 * (total_expected_savings - total_intervention_cost)
        / nullif(total_intervention_cost, 0) as roi_percent,
        case
            when max(budget) over (partition by organization_id) > 0
                then 'somebody''s projected return is positive'
            else 'none: no patient''s projected return is positive'
        end as verdict

    from spent

)

select * from final
