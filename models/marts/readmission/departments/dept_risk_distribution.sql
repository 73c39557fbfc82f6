with

grid as (

    select * from {{ ref('int_department_tier_grid') }}

),

predictions as (

    select * from {{ ref('predictions') }}

),

patients as (

    select * from {{ ref('patients') }}

),

counted as (

    select
        predictions.organization_id,
        predictions.prediction_window,
        patients.department_id,
        predictions.risk_tier,
        count(*) as patient_count,
        sum(predictions.risk_score) as total_risk_score

    from predictions

    inner join patients on predictions.patient_id = patients.patient_id

    group by
        predictions.organization_id,
        predictions.prediction_window,
        patients.department_id,
        predictions.risk_tier

),

filled as (

    select
        grid.*,
        coalesce(counted.patient_count, 0) as patient_count,
        counted.total_risk_score / counted.patient_count as average_risk_score

    from grid

    left join counted
        on
            grid.organization_id = counted.organization_id
            and grid.prediction_window = counted.prediction_window
            and grid.department_id = counted.department_id
            and grid.risk_tier = counted.risk_tier

),

final as (

    select
        organization_id,
        prediction_window,
        department_id,
        department_code,
        department_name,
        risk_tier,
        tier_name,
        patient_count,
        {{ percent_of(
            'patient_count',
            'sum(patient_count) over (partition by organization_id, prediction_window)'
        ) }} as organization_percent,
        {{ percent_of(
            'patient_count',
            'sum(patient_count) over (
                partition by organization_id, prediction_window, department_id
            )'
        ) }} as department_percent,
        average_risk_score

    from filled

)

select * from final
