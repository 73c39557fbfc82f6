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

department_projections as (

    select
        projections.*,
        patients.department_id

    from projections

    inner join patients on projections.patient_id = patients.patient_id

),

final as (

    select
        current_loads.organization_id,
        windows.prediction_window,
        departments.department_id,
        departments.department_code,
        departments.department_name,
        {{ roi_totals('department_projections') }}

    from current_loads

    cross join windows

    cross join departments

    left join department_projections
        on
            current_loads.organization_id = department_projections.organization_id
            and windows.prediction_window = department_projections.prediction_window
            and departments.department_id = department_projections.department_id

    group by
        current_loads.organization_id,
        windows.prediction_window,
        departments.department_id,
        departments.department_code,
        departments.department_name

)

select * from final
