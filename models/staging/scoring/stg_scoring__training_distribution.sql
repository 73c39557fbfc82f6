with

source as (

    select * from {{ source('scoring', 'training_distribution') }}

),

renamed as (

    select
        -- ids
        model_version,
        feature_name,
        bin,

        -- strings
        bin_kind,

        -- numerics
        lower_bound,
        upper_bound,
        patient_count

    from source

)

select * from renamed
