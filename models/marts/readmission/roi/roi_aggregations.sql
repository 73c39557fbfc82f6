with

current_loads as (

    select * from {{ ref('int_cohort_loads') }}

    where is_current

),

windows as (

    select * from {{ ref('prediction_windows') }}

),

projections as (

    select * from {{ ref('financial_projections') }}

),

final as (

    select
        current_loads.organization_id,
        windows.prediction_window,
        {{ roi_totals('projections') }}

    from current_loads

    cross join windows

    left join projections
        on
            current_loads.organization_id = projections.organization_id
            and windows.prediction_window = projections.prediction_window

    group by current_loads.organization_id, windows.prediction_window

)

select * from final
