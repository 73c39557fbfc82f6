with

tiers as (

    select
        *,
        lag(upper_bound) over (order by lower_bound, risk_tier) as previous_upper_bound,
        lag(risk_tier) over (order by lower_bound, risk_tier) as previous_tier,
        lead(risk_tier) over (order by lower_bound, risk_tier) as next_tier

    from {{ ref('risk_tiers') }}

),

misordered as (

    select
        risk_tier,
        'lower_bound ' || {{ number_text('lower_bound') }}
        || ' is not below upper_bound ' || {{ number_text('upper_bound') }} as problem

    from tiers

    where lower_bound >= upper_bound

),

misplaced_ends as (

    select
        risk_tier,
        'the first tier begins at ' || {{ number_text('lower_bound') }}
        || ', expected 0' as problem

    from tiers

    where previous_tier is null and lower_bound <> 0

    union all

    select
        risk_tier,
        'the last tier ends at ' || {{ number_text('upper_bound') }}
        || ', expected 1' as problem

    from tiers

    where next_tier is null and upper_bound <> 1

),

misjoined as (

    select
        risk_tier,
        case
            when previous_upper_bound > lower_bound then 'overlaps'
            else 'leaves a gap to'
        end
        || ' tier ' || previous_tier
        || ': lower_bound ' || {{ number_text('lower_bound') }}
        || ', expected ' || {{ number_text('previous_upper_bound') }} as problem

    from tiers

    where previous_upper_bound <> lower_bound

),

numbered_otherwise as (

    select
        risk_tier,
        'tiers rise with the score; tier ' || previous_tier || ' stands below it'
            as problem

    from tiers

    where previous_tier >= risk_tier

),

final as (

    select
        'risk_tiers' as seed,
        'risk_tier ' || risk_tier as seed_row,
        problem

    from (
        select * from misordered
        union all
        select * from misplaced_ends
        union all
        select * from misjoined
        union all
        select * from numbered_otherwise
    ) as faults

)

select * from final
