-- What is not known of risk-blind targeting is who comes first among those of one
-- annual cost: at most what the part of them that is not reached could bring.

with

reached as (

    select
        frontier.organization_id,
        frontier.targeting_strategy,
        frontier.budget_step,
        frontier.net_benefit_margin,
        queue.savings,
        queue.patient_count,
        least((frontier.budget - queue.spend_before) / queue.spend, 1) as filled_share,
        row_number() over (
            partition by
                frontier.organization_id,
                frontier.targeting_strategy,
                frontier.budget_step
            order by queue.priority_bin
        ) as place

    from {{ ref('targeting_frontier') }} as frontier

    left join {{ ref('int_targeting_queue') }} as queue
        on
            frontier.organization_id = queue.organization_id
            and frontier.targeting_strategy = queue.targeting_strategy
            and frontier.budget > queue.spend_before

    where frontier.targeting_strategy = 'risk_blind'

)

select
    organization_id,
    budget_step,
    net_benefit_margin

from reached

where
    place = 1
    and abs(
        net_benefit_margin - case
            when patient_count > 1 and filled_share < 1
                then savings * greatest(filled_share, 1 - filled_share)
            else 0
        end
    )
    > 1e-9 * greatest(1, net_benefit_margin)
