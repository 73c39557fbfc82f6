with

grid as (

    select * from {{ ref('int_department_tier_grid') }}

),

risk_sums as (

    select * from {{ ref('risk_sums') }}

),

filled as (

    select
        grid.*,
        coalesce(risk_sums.patient_count, 0) as patient_count,
        risk_sums.total_risk_score / risk_sums.patient_count as average_risk_score

    from grid

    left join risk_sums
        on
            grid.organization_id = risk_sums.organization_id
            and grid.prediction_window = risk_sums.prediction_window
            and grid.department_id = risk_sums.department_id
            and grid.risk_tier = risk_sums.risk_tier

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
