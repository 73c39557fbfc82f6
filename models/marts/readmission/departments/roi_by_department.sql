with

current_loads as (

    select * from {{ ref('int_cohort_loads') }}

    where is_current

),

windows as (

    select * from {{ ref('prediction_windows') }}

),

departments as (

    select * from {{ ref('departments') }}

),

roi_sums as (

    select * from {{ ref('roi_sums') }}

),

final as (

    select
        current_loads.organization_id,
        windows.prediction_window,
        departments.department_id,
        departments.department_code,
        departments.department_name,
        {{ roi_totals_or_zero('roi_sums') }}

    from current_loads

    cross join windows

    cross join departments

    left join roi_sums
        on
            current_loads.organization_id = roi_sums.organization_id
            and windows.prediction_window = roi_sums.prediction_window
            and departments.department_id = roi_sums.department_id

)

select * from final
