-- Gate: the file of the model in force was, when it was last evaluated, the one that
-- the registry vouches for. On every cohort, those without outcomes too.

select
    evaluations.evaluation_id,
    evaluations.model_version,
    evaluations.artifact_sha256,
    champions.artifact_sha256 as registered_sha256

from {{ ref('int_latest_evaluations') }} as evaluations

inner join {{ ref('stg_scoring__champions') }} as champions
    on
        evaluations.target = champions.target
        and evaluations.model_version = champions.model_version

where
    evaluations.is_current_cohort
    and evaluations.artifact_sha256 is distinct from champions.artifact_sha256
