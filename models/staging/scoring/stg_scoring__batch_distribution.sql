with

source as (

    select * from {{ source('scoring', 'batch_distribution') }}

),

renamed as (

    select
        -- ids
        batch_id,
        load_id,
        feature_name,
        bin,

        -- numerics
        patient_count

    from source

)

select * from renamed
