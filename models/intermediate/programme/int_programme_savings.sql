with

contrasts as (

    select * from {{ ref('int_programme_contrasts') }}

    where analysis = 'assigned'

),

totals as (

    select * from {{ ref('int_programme_totals') }}

),

-- Katz's interval of the ratio of two shares (Biometrics 1978; 34: 469-474)
ratios as (

    select
        organization_id,
        programme_code,
        prediction_window,
        exposed_rate / nullif(other_rate, 0) as rate_ratio,
        1.959963984540054 * sqrt(
            1 / cast(nullif(exposed_events, 0) as {{ type_double() }})
            - 1 / cast(nullif(exposed_count, 0) as {{ type_double() }})
            + 1 / cast(nullif(other_events, 0) as {{ type_double() }})
            - 1 / cast(nullif(other_count, 0) as {{ type_double() }})
        ) as log_margin

    from contrasts

),

final as (

    select
        ratios.organization_id,
        ratios.programme_code,
        ratios.prediction_window,
        totals.addressable_cost * (1 - ratios.rate_ratio) as measured_savings,
        totals.addressable_cost * (1 - ratios.rate_ratio * exp(ratios.log_margin))
            as measured_savings_lower,
        totals.addressable_cost * (1 - ratios.rate_ratio * exp(-ratios.log_margin))
            as measured_savings_upper

    from ratios

    inner join totals
        on
            ratios.organization_id = totals.organization_id
            and ratios.programme_code = totals.programme_code
            and ratios.prediction_window = totals.prediction_window

)

select * from final
