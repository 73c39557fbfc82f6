with

source as (

    select * from {{ source('cms', 'cms_outpatient_claims') }}

),

renamed as (

    select
        -- ids
        load_id,
        desynpuf_id as external_id,
        clm_id as claim_id,
        segment,

        -- dates
        clm_from_dt as service_from_date

    from source

)

select * from renamed
