with

evaluations as (

    select * from {{ ref('int_latest_evaluations') }}

),

final as (

    select *

    from evaluations

    where
        is_champion
        and is_current_cohort
        and status = 'evaluated'
        and org_code = '{{ var("gate_org_code") }}'

)

select * from final
