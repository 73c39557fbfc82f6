{{ config(indexes=[{'columns': ['has_diabetes', 'complexity_index']}]) }}

with

features as (

    select * from {{ ref('int_patient_features') }}

),

final as (

    select
        patient_id,
        organization_id,
        index_date,

        age,
        is_female,
        is_elderly,
        race_code,
        has_esrd,

        has_alzheimers,
        has_chf,
        has_ckd,
        has_cancer,
        has_copd,
        has_depression,
        has_diabetes,
        has_ischemic_heart,
        has_ra_oa,
        has_stroke,

        total_admissions,
        total_hospital_days,
        days_since_last_admission,
        recent_admission,
        total_outpatient_visits,
        high_outpatient_user,

        annual_cost,
        cost_percentile,
        high_cost,
        inpatient_cost,

        frailty_score,
        complexity_index

    from features

    where is_current

)

select * from final
