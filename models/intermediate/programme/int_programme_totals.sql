with

sums as (

    select * from {{ ref('int_programme_sums') }}

),

added as (

    select
        organization_id,
        programme_code,
        prediction_window,
        sum(eligible_count) as eligible_count,
        sum(known_count) as known_count,
        sum(known_count) filter (where is_enrolled and not is_control)
            as treatment_enrolled_count,
        sum(known_count) filter (where is_enrolled and is_control)
            as control_enrolled_count,
        sum(known_count) filter (where is_control) as control_count,
        sum(event_before_count) filter (where is_control) as control_before_count,
        sum(known_count) filter (where is_enrolled) as enrolled_count,
        sum(event_before_count) filter (where is_enrolled) as enrolled_before_count,
        sum(addressable_cost) filter (where not is_control) as addressable_cost,
        sum(expected_savings) filter (where is_enrolled and not is_control)
            as projected_savings,
        sum(intervention_cost) filter (where is_enrolled and not is_control)
            as intervention_cost

    from sums

    group by organization_id, programme_code, prediction_window

),

final as (

    select
        organization_id,
        programme_code,
        prediction_window,
        cast(eligible_count as {{ dbt.type_bigint() }}) as eligible_count,
        cast(known_count as {{ dbt.type_bigint() }}) as known_count,
        cast(coalesce(treatment_enrolled_count, 0) as {{ dbt.type_bigint() }})
            as treatment_enrolled_count,
        cast(coalesce(control_enrolled_count, 0) as {{ dbt.type_bigint() }})
            as control_enrolled_count,
        cast(control_before_count as {{ type_double() }}) / nullif(control_count, 0)
            as control_before_rate,
        cast(enrolled_before_count as {{ type_double() }}) / nullif(enrolled_count, 0)
            as enrolled_before_rate,
        coalesce(addressable_cost, 0) as addressable_cost,
        coalesce(projected_savings, 0) as projected_savings,
        coalesce(intervention_cost, 0) as intervention_cost

    from added

)

select * from final
