with

models as (

    select * from {{ ref('int_models') }}

),

final as (

    select
        model_version,
        target,
        role,
        is_champion,
        trained_at,
        first_promoted_at,
        promoted_at,
        retired_at,
        term_count,
        training_fingerprint,
        training_row_count,
        training_patient_count,
        feature_names,
        chosen_candidates,
        library_versions,
        artifact_file,
        artifact_sha256

    from models

)

select * from final
