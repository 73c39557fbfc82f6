-- One model at a time: each term begins when the one before it ends, only the last
-- one is open, and it is that of the model which the registry calls champion.

with

terms as (

    select
        *,
        lead(promoted_at) over (
            partition by target order by promoted_at
        ) as next_promoted_at

    from {{ ref('stg_scoring__model_terms') }}

)

select
    terms.target,
    terms.model_version,
    champions.target as champion_target,
    champions.model_version as champion_version,
    terms.promoted_at,
    terms.retired_at

from terms

full outer join {{ ref('stg_scoring__champions') }} as champions
    on
        terms.target = champions.target
        and terms.retired_at is null

where
    terms.retired_at is distinct from terms.next_promoted_at
    or (
        terms.retired_at is null
        and terms.model_version is distinct from champions.model_version
    )
