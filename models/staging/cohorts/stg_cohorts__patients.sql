with

source as (

    select * from {{ source('cohorts', 'cohort_patients') }}

),

renamed as (

    select
        -- ids
        load_id,
        external_id,

        -- demographics
        age,
        is_female,
        race_code,
        has_esrd,

        -- conditions
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

        -- utilisation, trailing year; a file's 999 means none on record
        total_admissions,
        total_hospital_days,
        nullif(days_since_last_admission, 999) as days_since_last_admission,
        total_outpatient_visits,

        -- cost, trailing year, USD
        annual_cost,
        inpatient_cost,

        -- what the file said of derived columns; never used, only reconciled
        reported_is_elderly,
        reported_recent_admission,
        reported_high_outpatient_user,
        reported_cost_percentile,
        reported_high_cost,
        reported_frailty_score,
        reported_complexity_index

    from source

)

select * from renamed
