with

source as (

    select * from {{ source('scoring', 'model_registry') }}

),

renamed as (

    select
        -- ids
        target,
        model_version,

        -- strings
        artifact_sha256

    from source

    where is_champion

)

select * from renamed
