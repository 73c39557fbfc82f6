-- A view, for all of it follows from the projection and two numbers; it reads marts
-- alone, and of them what its readers may read, since it reads them as whoever asks.
{{
    config(
        materialized='view',
        post_hook='{{ ask_as_reader() }}'
    )
}}

with

projections as (

    select
        patient_id,
        prediction_window,
        organization_id,
        addressable_cost,
        expected_savings,
        intervention_cost,
        net_benefit

    from {{ ref('financial_projections') }}

),

spread as (

    select
        downside_spread,
        upside_spread,
        {{ spread_factors() }}

    from {{ ref('roi_assumptions') }}

    where scenario = 'base'

),

ratios as (

    select
        projections.*,
        spread.low_factor,
        spread.mean_factor,
        spread.high_factor,
        projections.expected_savings / projections.intervention_cost as savings_ratio,
        case
            when projections.net_benefit > 0 then spread.downside_spread
            else spread.upside_spread
        end as spread_to_break_even

    from projections

    cross join spread

),

distances as (

    select
        *,
        -- How many standard deviations savings are above what they cost; where they
        -- cannot vary, as good as infinitely many.
        case
            when savings_ratio > 0 and spread_to_break_even > 0
                then ln(savings_ratio) / spread_to_break_even
            when net_benefit > 0 then 100.0
            else -100.0
        end as distance

    from ratios

),

final as (

    select
        patient_id,
        prediction_window,
        organization_id,
        expected_savings * mean_factor - intervention_cost as net_benefit_mean,
        expected_savings * low_factor - intervention_cost as net_benefit_p05,
        expected_savings - intervention_cost as net_benefit_p50,
        expected_savings * high_factor - intervention_cost as net_benefit_p95,
        cast({{ normal_cdf('distance') }} as {{ type_double() }})
            as positive_roi_probability,
        case
            when intervention_cost <= addressable_cost
                then intervention_cost / addressable_cost
        end as break_even_success_rate

    from distances

)

select * from final
