with

sums as (

    select * from {{ ref('int_programme_sums') }}

),

assigned as (

    select
        organization_id,
        programme_code,
        prediction_window,
        'assigned' as analysis,
        not is_control as is_exposed,
        known_count,
        event_count

    from sums

),

treated as (

    select
        organization_id,
        programme_code,
        prediction_window,
        'as_treated' as analysis,
        is_enrolled as is_exposed,
        known_count,
        event_count

    from sums

),

both_analyses as (

    select * from assigned

    union all

    select * from treated

),

counted as (

    select
        organization_id,
        programme_code,
        prediction_window,
        analysis,
        cast(
            coalesce(sum(known_count) filter (where is_exposed), 0)
            as {{ dbt.type_bigint() }}
        ) as exposed_count,
        cast(
            coalesce(sum(event_count) filter (where is_exposed), 0)
            as {{ dbt.type_bigint() }}
        ) as exposed_events,
        cast(
            coalesce(sum(known_count) filter (where not is_exposed), 0)
            as {{ dbt.type_bigint() }}
        ) as other_count,
        cast(
            coalesce(sum(event_count) filter (where not is_exposed), 0)
            as {{ dbt.type_bigint() }}
        ) as other_events

    from both_analyses

    group by organization_id, programme_code, prediction_window, analysis

),

shares as (

    select
        *,
        cast(exposed_events as {{ type_double() }}) / nullif(exposed_count, 0)
            as exposed_rate,
        cast(other_events as {{ type_double() }}) / nullif(other_count, 0)
            as other_rate,
        {{ wilson_bound('exposed_events', 'exposed_count', -1) }} as exposed_low,
        {{ wilson_bound('exposed_events', 'exposed_count', 1) }} as exposed_high,
        {{ wilson_bound('other_events', 'other_count', -1) }} as other_low,
        {{ wilson_bound('other_events', 'other_count', 1) }} as other_high

    from counted

),

-- Newcombe's hybrid of two score intervals (method 10; Stat Med 1998; 17: 873-890)
final as (

    select
        organization_id,
        programme_code,
        prediction_window,
        analysis,
        exposed_count,
        exposed_events,
        exposed_rate,
        other_count,
        other_events,
        other_rate,
        exposed_rate - other_rate as effect,
        exposed_rate - other_rate
        - sqrt(
            power(exposed_rate - exposed_low, 2) + power(other_high - other_rate, 2)
        ) as effect_lower,
        exposed_rate - other_rate
        + sqrt(
            power(exposed_high - exposed_rate, 2) + power(other_rate - other_low, 2)
        ) as effect_upper

    from shares

)

select * from final
