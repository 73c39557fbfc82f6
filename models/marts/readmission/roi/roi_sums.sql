with

projections as (

    select * from {{ ref('financial_projections') }}

),

patients as (

    select * from {{ ref('patients') }}

),

final as (

    select
        projections.organization_id,
        projections.prediction_window,
        patients.department_id,
        count(*) as patient_count,
        count(*) filter (where projections.is_positive_roi) as positive_roi_count,
        count(*) filter (where projections.roi_category = 'EXCELLENT')
            as excellent_roi_count,
        sum(projections.roi_percent) as total_roi_percent,
        sum(projections.intervention_cost) as total_intervention_cost,
        sum(projections.expected_savings) as total_expected_savings,
        sum(projections.net_benefit) as total_net_benefit

    from projections

    inner join patients on projections.patient_id = patients.patient_id

    group by
        projections.organization_id,
        projections.prediction_window,
        patients.department_id

)

select * from final
