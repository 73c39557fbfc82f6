with

source as (

    select * from {{ source('scoring', 'model_terms') }}

),

renamed as (

    select
        -- ids
        target,
        model_version,

        -- dates
        promoted_at,
        retired_at

    from source

)

select * from renamed
