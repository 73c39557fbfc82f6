-- With the same money no other strategy brings more, and each further budget of the
-- best one adds to its net benefit.

with

frontier as (

    select
        *,
        lag(total_net_benefit) over (
            partition by organization_id, targeting_strategy order by budget_step
        ) as net_before

    from {{ ref('targeting_frontier') }}

)

select
    best.organization_id,
    best.budget_step,
    other.targeting_strategy

from frontier as best

inner join frontier as other
    on
        best.organization_id = other.organization_id
        and best.budget_step = other.budget_step

where
    best.targeting_strategy = 'best'
    and (
        other.total_net_benefit
        > best.total_net_benefit + 1e-9 * greatest(1, best.total_expected_savings)
        or best.net_before
        > best.total_net_benefit + 1e-9 * greatest(1, best.total_expected_savings)
        or best.budget <> other.budget
    )
