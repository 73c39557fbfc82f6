with

projections as (

    select * from {{ ref('financial_projections') }}

),

patients as (

    select * from {{ ref('patients') }}

),

arms as (

    select * from {{ ref('int_holdout_arms') }}

),

eligible as (

    select
        patient_id,
        cast(max(risk_tier) as smallint) as risk_tier

    from projections

    group by patient_id

    having max(net_benefit) > 0

),

final as (

    select
        eligible.patient_id,
        patients.patient_uuid,
        patients.organization_id,
        patients.department_id,
        eligible.risk_tier,
        arms.holdout_draw,
        arms.is_control

    from eligible

    inner join patients on eligible.patient_id = patients.patient_id

    inner join arms on eligible.patient_id = arms.patient_id

)

select * from final
