with

holdout as (

    select * from {{ ref('programme_holdout') }}

),

final as (

    select
        organization_id,
        department_id,
        risk_tier,
        count(*) as patient_count,
        count(*) filter (where is_control) as control_count

    from holdout

    group by organization_id, department_id, risk_tier

)

select * from final
