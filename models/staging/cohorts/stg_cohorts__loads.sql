with

source as (

    select * from {{ source('cohorts', 'loads') }}

),

renamed as (

    select
        -- ids
        load_id,
        org_code,

        -- strings
        source as load_source,
        purpose,

        -- numerics
        row_count,
        rejected_count,

        -- booleans
        has_outcomes,

        -- dates and times
        as_of_date,
        loaded_at

    from source

)

select * from renamed
