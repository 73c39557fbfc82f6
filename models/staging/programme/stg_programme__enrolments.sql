with

source as (

    select * from {{ source('programme', 'programme_enrolments') }}

),

renamed as (

    select
        -- ids
        org_code,
        external_id,

        -- strings
        programme_code,

        -- dates
        enrolled_on,
        left_on

    from source

)

select * from renamed
