-- A scenario's factor is the product of its assumptions over that of base; a spread is
-- the distance of base from the scenario on its side, in standard deviations: worked
-- out from the seed once more, by sums of logarithms.

with

factors as (
    {% for factor in scenario_factors() %}
    select
        scenario,
        '{{ factor }}' as factor,
        ln({{ factor }}) as log_value

    from {{ ref('roi_scenarios') }}
    {{- "\n\n    union all\n" if not loop.last }}
    {% endfor %}
),

distances as (

    select
        other.scenario,
        exp(sum(other.log_value - base.log_value)) as savings_factor,
        sqrt(sum(power(other.log_value - base.log_value, 2)))
        / {{ normal_quantile_95() }} as spread

    from factors as other

    inner join factors as base on other.factor = base.factor

    where base.scenario = 'base'

    group by other.scenario

)

select
    assumptions.scenario,
    expected.savings_factor as expected_savings_factor,
    downside.spread as expected_downside_spread,
    upside.spread as expected_upside_spread

from {{ ref('roi_assumptions') }} as assumptions

left join distances as expected on assumptions.scenario = expected.scenario

left join distances as downside on downside.scenario = 'conservative'

left join distances as upside on upside.scenario = 'optimistic'

where
    (
        abs(assumptions.savings_factor - expected.savings_factor)
        <= 1e-9 * expected.savings_factor
        and abs(assumptions.downside_spread - downside.spread) <= 1e-9
        and abs(assumptions.upside_spread - upside.spread) <= 1e-9
    ) is not true
