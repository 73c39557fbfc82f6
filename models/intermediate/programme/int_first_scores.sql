{{ config(materialized='table', post_hook='analyze {{ this }}') }}

with

features as (

    select * from {{ ref('int_patient_features') }}

    -- who was handed in one by one is in no cohort whose outcomes come
    where purpose = 'cohort' and load_id >= 0

),

scored as (

    select * from {{ ref('stg_scoring__scored_features') }}

),

batches as (

    select * from {{ ref('int_scoring_batches') }}

),

final as (

    select
        features.load_id,
        features.patient_id,
        min(scored.batch_id) as batch_id

    from features

    inner join scored
        on
            features.patient_id = scored.patient_id
            and features.age = scored.age
            and features.is_female = scored.is_female
            and features.race_code = scored.race_code
            and features.has_esrd = scored.has_esrd
            and features.has_alzheimers = scored.has_alzheimers
            and features.has_chf = scored.has_chf
            and features.has_ckd = scored.has_ckd
            and features.has_cancer = scored.has_cancer
            and features.has_copd = scored.has_copd
            and features.has_depression = scored.has_depression
            and features.has_diabetes = scored.has_diabetes
            and features.has_ischemic_heart = scored.has_ischemic_heart
            and features.has_ra_oa = scored.has_ra_oa
            and features.has_stroke = scored.has_stroke
            and features.total_admissions = scored.total_admissions
            and features.total_hospital_days = scored.total_hospital_days
            and features.total_outpatient_visits = scored.total_outpatient_visits
            and features.annual_cost = scored.annual_cost
            and features.inpatient_cost = scored.inpatient_cost
            and features.days_since_last_admission
            is not distinct from scored.days_since_last_admission

    inner join batches on scored.batch_id = batches.batch_id

    group by features.load_id, features.patient_id

)

select * from final
