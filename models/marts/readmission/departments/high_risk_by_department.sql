with

distribution as (

    select * from {{ ref('dept_risk_distribution') }}

),

final as (

    select
        organization_id,
        prediction_window,
        department_id,
        department_code,
        department_name,
        risk_tier,
        tier_name,
        patient_count,
        organization_percent,
        department_percent,
        average_risk_score

    from distribution

    -- high risk is tier 4, critical is tier 5
    where risk_tier >= 4

)

select * from final
