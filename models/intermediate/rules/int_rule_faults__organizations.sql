with

organizations as (

    select * from {{ ref('organizations') }}

),

loads as (

    select * from {{ ref('stg_cohorts__loads') }}

),

numbered_twice as (

    select
        'organization_id ' || organization_id as seed_row,
        'given ' || count(*) || ' times, expected once' as problem

    from organizations

    group by organization_id

    having count(*) > 1

),

coded_twice as (

    select
        'org_code ' || org_code as seed_row,
        'given ' || count(*) || ' times, expected once' as problem

    from organizations

    group by org_code

    having count(*) > 1

),

missing as (

    select
        'org_code ' || loads.org_code as seed_row,
        'missing, and ' || count(*) || ' loads are of this organization' as problem

    from loads

    left join organizations on loads.org_code = organizations.org_code

    where organizations.org_code is null

    group by loads.org_code

),

final as (

    select
        'organizations' as seed,
        seed_row,
        problem

    from (
        select * from numbered_twice
        union all
        select * from coded_twice
        union all
        select * from missing
    ) as faults

)

select * from final
