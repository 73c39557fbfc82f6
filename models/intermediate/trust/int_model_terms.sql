-- When each model was in force last, and in how many terms.

with

terms as (

    select * from {{ ref('stg_scoring__model_terms') }}

),

ranked as (

    select
        *,
        row_number() over (
            partition by model_version order by promoted_at desc
        ) as recency,
        count(*) over (partition by model_version) as term_count,
        min(promoted_at) over (partition by model_version) as first_promoted_at

    from terms

),

final as (

    select
        target,
        model_version,
        first_promoted_at,
        promoted_at,
        retired_at,
        term_count

    from ranked

    where recency = 1

)

select * from final
