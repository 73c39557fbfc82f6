-- Read by a test alone, and made for it: riskmart leaves it out where tests are.
{{
    config(
        materialized='table',
        tags=['for_tests'],
        post_hook='analyze {{ this }}'
    )
}}

{% call set_sql_header(config) %}
-- PostgreSQL guesses a handful of known outcomes, and would compare each of a
-- million people with all the others.
set local enable_nestloop = off;
{% endcall %}

with

known_outcomes as (

    select * from {{ ref('int_known_outcomes') }}

),

ranked as (

    select
        target,
        model_version,
        organization_id,
        prediction_window,
        risk_score,
        has_event,
        rank() over (
            partition by target, model_version, organization_id, prediction_window
            order by risk_score
        ) as place,
        count(*) over (
            partition by
                target, model_version, organization_id, prediction_window, risk_score
        ) as tied_count

    from known_outcomes

),

summed as (

    select
        target,
        model_version,
        organization_id,
        prediction_window,
        count(*) as patient_count,
        count(*) filter (where has_event) as event_count,
        sum(risk_score) as expected_count,
        -- ties stand at the mean of their places
        sum(place + (tied_count - 1) / 2.0) filter (where has_event)
            as event_rank_sum

    from ranked

    group by target, model_version, organization_id, prediction_window

),

final as (

    select
        target,
        model_version,
        organization_id,
        prediction_window,
        patient_count,
        event_count,
        cast(
            event_rank_sum - event_count * (event_count + 1) / 2.0
            as {{ type_double() }}
        )
        / nullif(event_count * (patient_count - event_count), 0) as auroc,
        event_count / nullif(expected_count, 0) as observed_expected

    from summed

)

select * from final
