with

source as (

    select * from {{ source('cms', 'cms_inpatient_claims') }}

),

renamed as (

    select
        -- ids
        load_id,
        desynpuf_id as external_id,
        clm_id as claim_id,
        segment,

        -- dates
        clm_admsn_dt as admission_date,
        nch_bene_dschrg_dt as discharge_date,

        -- numerics
        clm_utlztn_day_cnt as utilization_days

    from source

)

select * from renamed
