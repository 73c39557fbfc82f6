with

enrolments as (

    select * from {{ ref('int_enrolments') }}

),

loads as (

    select * from {{ ref('int_cohort_loads') }}

    where purpose = 'cohort' and load_id >= 0

),

programmes as (

    select
        organization_id,
        programme_code,
        min(enrolled_on) as first_enrolled_on,
        count(distinct patient_id) as enrolled_count

    from enrolments

    group by organization_id, programme_code

),

-- The last cohort from before it began; where there is none, the first one after.
final as (

    select
        programmes.organization_id,
        programmes.programme_code,
        programmes.first_enrolled_on,
        programmes.enrolled_count,
        coalesce(
            max(loads.as_of_date) filter (
                where loads.as_of_date <= programmes.first_enrolled_on
            ),
            min(loads.as_of_date)
        ) as baseline_date

    from programmes

    left join loads on programmes.organization_id = loads.organization_id

    group by
        programmes.organization_id,
        programmes.programme_code,
        programmes.first_enrolled_on,
        programmes.enrolled_count

)

select * from final
