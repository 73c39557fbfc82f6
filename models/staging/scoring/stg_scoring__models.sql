with

source as (

    select * from {{ source('scoring', 'model_registry') }}

),

renamed as (

    select
        -- ids
        model_version,
        target,

        -- strings
        role,
        training_fingerprint,
        feature_names,
        library_versions,
        candidates,
        chosen as chosen_candidates,
        artifact_file,
        artifact_sha256,

        -- numerics
        training_rows as training_row_count,
        training_patients as training_patient_count,

        -- booleans
        is_champion,

        -- dates
        trained_at

    from source

)

select * from renamed
