-- The holdout has everybody with a positive projection in some window, and nobody else;
-- department and tier are the patient's, and the arm is the one drawn.

with

tiers as (

    select
        patient_id,
        max(risk_tier) as risk_tier

    from {{ ref('predictions') }}

    group by patient_id

),

eligible as (

    select
        patients.patient_id,
        patients.patient_uuid,
        patients.organization_id,
        patients.department_id,
        arms.holdout_draw,
        arms.is_control,
        tiers.risk_tier

    from {{ ref('patients') }} as patients

    inner join {{ ref('int_holdout_arms') }} as arms
        on patients.patient_id = arms.patient_id

    inner join tiers on patients.patient_id = tiers.patient_id

    where
        exists (
            select 1 from {{ ref('financial_projections') }} as projections
            where
                projections.patient_id = patients.patient_id
                and projections.net_benefit > 0
        )

)

select
    holdout.patient_id,
    eligible.patient_id as expected_patient_id

from {{ ref('programme_holdout') }} as holdout

full outer join eligible on holdout.patient_id = eligible.patient_id

where
    (
        holdout.patient_uuid = eligible.patient_uuid
        and holdout.organization_id = eligible.organization_id
        and holdout.department_id = eligible.department_id
        and holdout.risk_tier = eligible.risk_tier
        and holdout.holdout_draw = eligible.holdout_draw
        and holdout.is_control = eligible.is_control
    ) is not true
