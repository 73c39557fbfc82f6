with

grid as (

    select * from {{ ref('int_tier_grid') }}

),

risk_sums as (

    select * from {{ ref('risk_sums') }}

),

counted as (

    select
        organization_id,
        prediction_window,
        risk_tier,
        cast(sum(patient_count) as {{ dbt.type_bigint() }}) as patient_count

    from risk_sums

    group by organization_id, prediction_window, risk_tier

),

filled as (

    select
        grid.organization_id,
        grid.prediction_window,
        grid.risk_tier,
        grid.tier_name,
        coalesce(counted.patient_count, 0) as patient_count

    from grid

    left join counted
        on
            grid.organization_id = counted.organization_id
            and grid.prediction_window = counted.prediction_window
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
