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

patients as (

    select * from {{ ref('patients') }}

),

projections as (

    select * from {{ ref('financial_projections') }}

),

totals as (

    select
        projections.organization_id,
        projections.prediction_window,
        patients.department_id,
        {{ roi_totals() }}

    from projections

    inner join patients on projections.patient_id = patients.patient_id

    group by
        projections.organization_id,
        projections.prediction_window,
        patients.department_id

),

final as (

    select
        current_loads.organization_id,
        windows.prediction_window,
        departments.department_id,
        departments.department_code,
        departments.department_name,
        {{ roi_totals_or_zero('totals') }}

    from current_loads

    cross join windows

    cross join departments

    left join totals
        on
            current_loads.organization_id = totals.organization_id
            and windows.prediction_window = totals.prediction_window
            and departments.department_id = totals.department_id

)

select * from final
