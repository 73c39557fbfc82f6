with

current_loads as (

    select * from {{ ref('int_cohort_loads') }}

    where is_current

),

windows as (

    select * from {{ ref('prediction_windows') }}

),

roi_sums as (

    select * from {{ ref('roi_sums') }}

),

totals as (

    select
        organization_id,
        prediction_window,
        {{ roi_totals() }}

    from roi_sums

    group by organization_id, prediction_window

),

final as (

    select
        current_loads.organization_id,
        windows.prediction_window,
        {{ roi_totals_or_zero('totals') }}

    from current_loads

    cross join windows

    left join totals
        on
            current_loads.organization_id = totals.organization_id
            and windows.prediction_window = totals.prediction_window

)

select * from final
