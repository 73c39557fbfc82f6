with

source as (

    select * from {{ ref('baseline_outcomes') }}

),

renamed as (

    select
        external_id,
        days_to_readmission

    from source

)

select * from renamed
