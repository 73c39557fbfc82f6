with

grid as (

    select * from {{ ref('int_tier_grid') }}

),

published as (

    select * from {{ ref('dept_risk_distribution_suppressed') }}

),

-- The departments' published cells and nothing else: from a true total, what they hide
-- could be subtracted.
added as (

    select
        organization_id,
        prediction_window,
        risk_tier,
        cast(sum(patient_count) as {{ dbt.type_bigint() }}) as patient_count

    from published

    group by organization_id, prediction_window, risk_tier

),

final as (

    select
        grid.organization_id,
        grid.prediction_window,
        grid.risk_tier,
        grid.tier_name,
        added.patient_count,
        100 * cast(added.patient_count as {{ type_double() }})
        / sum(added.patient_count) over (
            partition by grid.organization_id, grid.prediction_window
        ) as patient_percent

    from grid

    left join added
        on
            grid.organization_id = added.organization_id
            and grid.prediction_window = added.prediction_window
            and grid.risk_tier = added.risk_tier

)

select * from final
