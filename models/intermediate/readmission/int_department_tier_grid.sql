with

tier_grid as (

    select * from {{ ref('int_tier_grid') }}

),

departments as (

    select * from {{ ref('departments') }}

),

final as (

    select
        tier_grid.organization_id,
        tier_grid.prediction_window,
        departments.department_id,
        departments.department_code,
        departments.department_name,
        tier_grid.risk_tier,
        tier_grid.tier_name

    from tier_grid

    cross join departments

)

select * from final
