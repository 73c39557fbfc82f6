with

people as (

    select * from {{ ref('int_programme_people') }}

),

final as (

    select
        organization_id,
        programme_code,
        prediction_window,
        is_control,
        is_enrolled,
        count(*) as eligible_count,
        count(has_event) as known_count,
        count(*) filter (where has_event) as event_count,
        count(*) filter (where has_event is not null and had_event_before)
            as event_before_count,
        coalesce(sum(addressable_cost) filter (where has_event is not null), 0)
            as addressable_cost,
        coalesce(sum(expected_savings) filter (where has_event is not null), 0)
            as expected_savings,
        coalesce(sum(intervention_cost) filter (where has_event is not null), 0)
            as intervention_cost

    from people

    group by
        organization_id, programme_code, prediction_window, is_control, is_enrolled

)

select * from final
