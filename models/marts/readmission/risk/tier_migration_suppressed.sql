with

grid as (

    select * from {{ ref('int_tier_change_grid') }}

),

counted as (

    select * from {{ ref('tier_change_sums') }}

),

departments as (

    select * from {{ ref('dept_risk_distribution_suppressed') }}

),

rounded as (

    select
        grid.organization_id,
        grid.prediction_window,
        grid.previous_tier,
        grid.previous_tier_name,
        grid.risk_tier,
        grid.tier_name,
        {{ published_count('counted.patient_count') }} as published_count

    from grid

    left join counted
        on
            grid.organization_id = counted.organization_id
            and grid.prediction_window = counted.prediction_window
            and grid.previous_tier = counted.previous_tier
            and grid.risk_tier = counted.risk_tier

),

by_window as (

    select
        organization_id,
        prediction_window,
        {{ least_people('published_count') }} as least_count,
        {{ most_people('published_count') }} as most_count

    from rounded

    group by organization_id, prediction_window

),

by_tier as (

    select
        organization_id,
        prediction_window,
        risk_tier,
        {{ least_people('published_count') }} as least_count

    from rounded

    group by organization_id, prediction_window, risk_tier

),

tiers as (

    select
        organization_id,
        prediction_window,
        risk_tier,
        {{ most_people('patient_count') }} as most_count

    from departments

    group by organization_id, prediction_window, risk_tier

),

-- Where what is shown says of something hidden, here or in dept_risk_distribution, that
-- it is not empty, all of the organization is withheld: who came to a tier is in it,
-- and the same people are in each window.
withheld as (

    select organization_id

    from by_window

    group by organization_id

    having max(least_count) > min(most_count)

    union

    select by_tier.organization_id

    from by_tier

    inner join tiers
        on
            by_tier.organization_id = tiers.organization_id
            and by_tier.prediction_window = tiers.prediction_window
            and by_tier.risk_tier = tiers.risk_tier

    where by_tier.least_count > tiers.most_count

),

published as (

    select
        rounded.*,
        case when withheld.organization_id is null then rounded.published_count end
            as patient_count

    from rounded

    left join withheld on rounded.organization_id = withheld.organization_id

),

final as (

    select
        organization_id,
        prediction_window,
        previous_tier,
        previous_tier_name,
        risk_tier,
        tier_name,
        patient_count,
        100 * cast(patient_count as {{ type_double() }}) / sum(patient_count) over (
            partition by organization_id, prediction_window
        ) as patient_percent

    from published

)

select * from final
