with

terms as (

    select * from {{ ref('stg_scoring__model_terms') }}

),

final as (

    select
        target,
        model_version,
        promoted_at,
        retired_at

    from terms

)

select * from final
