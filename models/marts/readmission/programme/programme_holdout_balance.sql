with

grid as (

    select
        organization_id,
        department_id,
        department_code,
        risk_tier,
        tier_name

    from {{ ref('int_department_tier_grid') }}

    -- tiers and departments are the same in each window
    group by organization_id, department_id, department_code, risk_tier, tier_name

),

sums as (

    select * from {{ ref('programme_holdout_sums') }}

),

counted as (

    select
        grid.organization_id,
        grid.department_id,
        grid.department_code,
        grid.risk_tier,
        grid.tier_name,
        coalesce(sums.patient_count, 0) as eligible_count,
        coalesce(sums.control_count, 0) as control_count,
        coalesce(sums.patient_count - sums.control_count, 0) as treatment_count,
        cast({{ var('holdout_share') }} as {{ type_double() }})
        * coalesce(sums.patient_count, 0) as expected_control_count

    from grid

    left join sums
        on
            grid.organization_id = sums.organization_id
            and grid.department_id = sums.department_id
            and grid.risk_tier = sums.risk_tier

),

-- n times the Kullback-Leibler divergence of the share found from the share wanted
diverging as (

    select
        *,
        case
            when control_count > 0
                then control_count * ln(control_count / expected_control_count)
            else 0
        end
        + case
            when treatment_count > 0
                then
                    treatment_count * ln(
                        treatment_count / (eligible_count - expected_control_count)
                    )
            else 0
        end as divergence

    from counted

),

final as (

    select
        organization_id,
        department_id,
        department_code,
        risk_tier,
        tier_name,
        eligible_count,
        control_count,
        expected_control_count,
        cast(control_count as {{ type_double() }}) / nullif(eligible_count, 0)
            as control_share,
        least(1, 2 * exp(-divergence)) as chance_bound,
        2 * exp(-divergence) >= 0.001 as is_within_range

    from diverging

)

select * from final
