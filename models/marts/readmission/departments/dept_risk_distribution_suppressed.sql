with

grid as (

    select * from {{ ref('int_department_tier_grid') }}

),

risk_sums as (

    select * from {{ ref('risk_sums') }}

),

roi_sums as (

    select * from {{ ref('roi_sums') }}

),

rounded as (

    select
        grid.*,
        {{ published_count('risk_sums.patient_count') }} as published_count

    from grid

    left join risk_sums
        on
            grid.organization_id = risk_sums.organization_id
            and grid.prediction_window = risk_sums.prediction_window
            and grid.department_id = risk_sums.department_id
            and grid.risk_tier = risk_sums.risk_tier

),

returns as (

    select
        organization_id,
        department_id,
        prediction_window,
        {{ published_count('positive_roi_count') }} as published_count

    from roi_sums

),

by_window as (

    select
        organization_id,
        department_id,
        prediction_window,
        {{ least_people('published_count') }} as least_count,
        {{ most_people('published_count') }} as most_count

    from rounded

    group by organization_id, department_id, prediction_window

    union all

    -- who has a positive return is in the department
    select
        organization_id,
        department_id,
        prediction_window,
        {{ least_people('published_count') }} as least_count,
        null as most_count

    from returns

    group by organization_id, department_id, prediction_window

),

-- A department has the same people in each window. Where one tells of more than another
-- could hold, what that one hides is not empty: all of it is withheld.
withheld as (

    select
        organization_id,
        department_id

    from by_window

    group by organization_id, department_id

    having max(least_count) > min(most_count)

),

published as (

    select
        rounded.*,
        case when withheld.department_id is null then rounded.published_count end
            as patient_count

    from rounded

    left join withheld
        on
            rounded.organization_id = withheld.organization_id
            and rounded.department_id = withheld.department_id

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
        100 * cast(patient_count as {{ type_double() }}) / sum(patient_count) over (
            partition by organization_id, prediction_window
        ) as organization_percent,
        100 * cast(patient_count as {{ type_double() }}) / sum(patient_count) over (
            partition by organization_id, prediction_window, department_id
        ) as department_percent

    from published

)

select * from final
