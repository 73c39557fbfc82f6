with

grid as (

    select * from {{ ref('int_tier_change_grid') }}

),

counted as (

    select * from {{ ref('tier_change_sums') }}

),

filled as (

    select
        grid.organization_id,
        grid.prediction_window,
        grid.previous_tier,
        grid.previous_tier_name,
        grid.risk_tier,
        grid.tier_name,
        coalesce(counted.patient_count, 0) as patient_count

    from grid

    left join counted
        on
            grid.organization_id = counted.organization_id
            and grid.prediction_window = counted.prediction_window
            and grid.previous_tier = counted.previous_tier
            and grid.risk_tier = counted.risk_tier

),

final as (

    select
        *,
        {{ percent_of(
            'patient_count',
            'sum(patient_count) over (partition by organization_id, prediction_window)'
        ) }} as patient_percent

    from filled

)

select * from final
