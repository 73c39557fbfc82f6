{{ config(severity='warn') }}

-- Features and scores of a current cohort that are far from those of the training,
-- and further than a cohort of its size gets by chance. A warning: the scores are
-- what the model makes of these people; whether it knows such people, people decide.

with

drift as (

    select * from {{ ref('model_drift') }}

)

select
    model_version,
    organization_id,
    feature_name,
    psi,
    drift_level

from drift

where psi >= {{ var('drift_psi_warning') }} and is_beyond_chance
