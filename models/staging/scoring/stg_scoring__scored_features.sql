with

source as (

    select * from {{ source('scoring', 'scored_features') }}

),

renamed as (

    select
        -- ids
        batch_id,
        patient_id,

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

        -- utilisation, trailing year; NaN means none on record
        total_admissions,
        total_hospital_days,
        nullif(days_since_last_admission, cast('NaN' as {{ type_double() }}))
            as days_since_last_admission,
        total_outpatient_visits,

        -- cost, trailing year, USD
        annual_cost,
        inpatient_cost

    from source

)

select * from renamed
