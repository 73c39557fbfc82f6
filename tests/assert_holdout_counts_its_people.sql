-- Sums and balance of the holdout count its people; a cell of the balance without any
-- is a row of zeros.

with

people as (

    select
        organization_id,
        department_id,
        risk_tier,
        count(*) as patient_count,
        sum(case when is_control then 1 else 0 end) as control_count

    from {{ ref('programme_holdout') }}

    group by organization_id, department_id, risk_tier

),

wrong_sums as (

    select
        sums.organization_id,
        people.organization_id as expected_organization_id,
        'programme_holdout_sums' as mart

    from {{ ref('programme_holdout_sums') }} as sums

    full outer join people
        on
            sums.organization_id = people.organization_id
            and sums.department_id = people.department_id
            and sums.risk_tier = people.risk_tier

    where
        (
            sums.patient_count = people.patient_count
            and sums.control_count = people.control_count
        ) is not true

),

cells as (

    select
        grid.organization_id,
        grid.department_id,
        grid.department_code,
        grid.risk_tier,
        grid.tier_name,
        coalesce(people.patient_count, 0) as patient_count,
        coalesce(people.control_count, 0) as control_count

    from {{ ref('int_department_tier_grid') }} as grid

    left join people
        on
            grid.organization_id = people.organization_id
            and grid.department_id = people.department_id
            and grid.risk_tier = people.risk_tier

    where grid.prediction_window = '30_day'

),

wrong_cells as (

    select
        balance.organization_id,
        cells.organization_id as expected_organization_id,
        'programme_holdout_balance' as mart

    from {{ ref('programme_holdout_balance') }} as balance

    full outer join cells
        on
            balance.organization_id = cells.organization_id
            and balance.department_id = cells.department_id
            and balance.risk_tier = cells.risk_tier

    where
        (
            balance.department_code = cells.department_code
            and balance.tier_name = cells.tier_name
            and balance.eligible_count = cells.patient_count
            and balance.control_count = cells.control_count
            and abs(
                balance.expected_control_count
                - {{ var('holdout_share') }} * cells.patient_count
            ) <= 1e-9 * greatest(1, cells.patient_count)
            and (balance.control_share is null) = (cells.patient_count = 0)
            and balance.is_within_range = (balance.chance_bound >= 0.001)
            -- k ln(k/np) + (n-k) ln((n-k)/n(1-p)), written with the logarithms apart
            and abs(
                balance.chance_bound - least(
                    1, 2 * exp(
                        cells.control_count * ln({{ var('holdout_share') }})
                        + (cells.patient_count - cells.control_count)
                        * ln(1 - {{ var('holdout_share') }})
                        - cells.control_count
                        * ln(greatest(cells.control_count, 1))
                        - (cells.patient_count - cells.control_count)
                        * ln(
                            greatest(cells.patient_count - cells.control_count, 1)
                        )
                        + cells.patient_count * ln(greatest(cells.patient_count, 1))
                    )
                )
            ) <= 1e-6
        ) is not true

)

select * from wrong_sums

union all

select * from wrong_cells
