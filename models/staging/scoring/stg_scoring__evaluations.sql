with

source as (

    select * from {{ source('scoring', 'evaluations') }}

),

renamed as (

    select
        -- ids
        evaluation_id,
        target,
        model_version,
        load_id,
        org_code,

        -- strings
        status,
        reason,
        scores_sha256,
        artifact_sha256,

        -- numerics
        patient_count,

        -- dates
        as_of_date as index_date,
        evaluated_at

    from source

)

select * from renamed
