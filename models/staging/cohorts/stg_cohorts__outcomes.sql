with

source as (

    select * from {{ source('cohorts', 'cohort_outcomes') }}

),

renamed as (

    select
        load_id,
        external_id,
        days_to_readmission

    from source

)

select * from renamed
