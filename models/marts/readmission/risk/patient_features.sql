{{
    config(indexes=[{'columns': [
        'organization_id', 'department_id', 'has_diabetes', 'complexity_index'
    ]}])
}}

with

features as (

    select * from {{ ref('int_patient_features') }}

),

patient_departments as (

    select * from {{ ref('int_patient_departments') }}

),

final as (

    select
        features.patient_id,
        features.organization_id,
        patient_departments.department_id,
        features.index_date,

        features.age,
        features.is_female,
        features.is_elderly,
        features.race_code,
        features.has_esrd,

        features.has_alzheimers,
        features.has_chf,
        features.has_ckd,
        features.has_cancer,
        features.has_copd,
        features.has_depression,
        features.has_diabetes,
        features.has_ischemic_heart,
        features.has_ra_oa,
        features.has_stroke,

        features.total_admissions,
        features.total_hospital_days,
        features.days_since_last_admission,
        features.recent_admission,
        features.total_outpatient_visits,
        features.high_outpatient_user,

        features.annual_cost,
        features.cost_percentile,
        features.high_cost,
        features.inpatient_cost,

        features.frailty_score,
        features.complexity_index

    from features

    inner join patient_departments
        on features.patient_id = patient_departments.patient_id

    where features.is_current

)

select * from final
