with

source as (

    select * from {{ ref('baseline_patients') }}

),

renamed as (

    select
        -- ids
        external_id,
        org_code,

        -- dates
        index_date,

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

        -- what the file says of derived columns; never used, only reconciled
        is_elderly as reported_is_elderly,
        recent_admission as reported_recent_admission,
        high_outpatient_user as reported_high_outpatient_user,
        cost_percentile as reported_cost_percentile,
        high_cost as reported_high_cost,
        frailty_score as reported_frailty_score,
        complexity_index as reported_complexity_index

    from source

)

select * from renamed
