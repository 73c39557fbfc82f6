with

source as (

    select * from {{ source('new_patients', 'new_patients') }}

),

renamed as (

    select
        -- ids
        input_id,
        org_code,
        external_id,

        -- strings
        source_system,

        -- demographics
        birth_date,
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

        -- utilisation, trailing year
        total_admissions,
        total_hospital_days,
        last_admission_date,
        total_outpatient_visits,

        -- cost, trailing year, USD
        annual_cost,
        inpatient_cost,

        -- dates and times
        index_date,
        received_at

    from source

)

select * from renamed
