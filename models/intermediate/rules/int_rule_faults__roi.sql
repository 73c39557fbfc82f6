with

pairs as (

    select
        risk_tiers.risk_tier,
        prediction_windows.prediction_window

    from {{ ref('risk_tiers') }} as risk_tiers

    cross join {{ ref('prediction_windows') }} as prediction_windows

),

costs as (

    select
        risk_tier,
        prediction_window,
        count(*) as row_count,
        min(intervention_cost_usd) as given_value

    from {{ ref('intervention_costs') }}

    group by risk_tier, prediction_window

),

rates as (

    select
        risk_tier,
        prediction_window,
        count(*) as row_count,
        min(success_rate) as given_value

    from {{ ref('success_rates') }}

    group by risk_tier, prediction_window

),

pair_faults as (

    select
        'intervention_costs' as seed,
        coalesce(pairs.risk_tier, costs.risk_tier) as risk_tier,
        coalesce(pairs.prediction_window, costs.prediction_window) as prediction_window,
        {{ pair_problem('costs', 'given_value > 0', 'a cost above 0') }} as problem

    from pairs

    full outer join costs
        on
            pairs.risk_tier = costs.risk_tier
            and pairs.prediction_window = costs.prediction_window

    union all

    select
        'success_rates' as seed,
        coalesce(pairs.risk_tier, rates.risk_tier) as risk_tier,
        coalesce(pairs.prediction_window, rates.prediction_window) as prediction_window,
        {{ pair_problem('rates', 'given_value between 0 and 1', 'a rate from 0 to 1') }}
            as problem

    from pairs

    full outer join rates
        on
            pairs.risk_tier = rates.risk_tier
            and pairs.prediction_window = rates.prediction_window

),

category_summary as (

    select
        count(*) filter (where above_percent is null) as open_count,
        count(*) - count(distinct coalesce(above_percent, -1000000)) as repeated_count

    from {{ ref('roi_categories') }}

),

category_faults as (

    select
        case
            when open_count <> 1
                then
                    open_count || ' categories without above_percent, expected'
                    || ' exactly one for everything below the others'
            when repeated_count > 0 then 'two categories with the same above_percent'
        end as problem

    from category_summary

),

final as (

    select
        seed,
        'risk_tier ' || risk_tier || ', ' || prediction_window as seed_row,
        problem

    from pair_faults

    where problem is not null

    union all

    select
        'roi_categories' as seed,
        'all rows' as seed_row,
        problem

    from category_faults

    where problem is not null

)

select * from final
