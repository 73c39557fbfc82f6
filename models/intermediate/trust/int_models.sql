-- Models with their last term, and what is listed of each in one line of text.

with

models as (

    select * from {{ ref('stg_scoring__models') }}

),

terms as (

    select * from {{ ref('int_model_terms') }}

),

libraries as (

    select
        models.model_version,
        string_agg(
            library.key || ' ' || (models.library_versions ->> library.key),
            ', ' order by library.key
        ) as library_versions

    from models

    cross join lateral {{ json_pairs('models.library_versions') }} as library

    group by models.model_version

),

choices as (

    select
        models.model_version,
        string_agg(
            choice.key || ': ' || (models.chosen_candidates ->> choice.key),
            ', ' order by choice.key
        ) as chosen_candidates

    from models

    cross join lateral {{ json_pairs('models.chosen_candidates') }} as choice

    group by models.model_version

),

final as (

    select
        models.model_version,
        models.target,
        models.role,
        models.is_champion,
        models.trained_at,
        terms.first_promoted_at,
        terms.promoted_at,
        terms.retired_at,
        coalesce(terms.term_count, 0) as term_count,
        models.training_fingerprint,
        models.training_row_count,
        models.training_patient_count,
        array_to_string(models.feature_names, ', ') as feature_names,
        choices.chosen_candidates,
        libraries.library_versions,
        models.artifact_file,
        models.artifact_sha256

    from models

    left join terms on models.model_version = terms.model_version

    left join libraries on models.model_version = libraries.model_version

    left join choices on models.model_version = choices.model_version

)

select * from final
