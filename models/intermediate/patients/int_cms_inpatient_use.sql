with

loads as (

    select * from {{ ref('int_cohort_loads') }}

),

stays as (

    select * from {{ ref('int_cms_stays') }}

),

dated_stays as (

    select
        stays.*,
        loads.as_of_date,
        stays.admission_date > loads.as_of_date - interval '1 year'
        and stays.admission_date <= loads.as_of_date as is_trailing_year

    from stays

    inner join loads on stays.load_id = loads.load_id

),

summed as (

    select
        load_id,
        external_id,
        count(*) filter (where is_trailing_year) as total_admissions,
        sum(hospital_days) filter (where is_trailing_year) as total_hospital_days,
        max(admission_date) filter (where admission_date <= as_of_date)
            as last_admission_date,
        min(admission_date) filter (where admission_date > as_of_date)
            as next_admission_date

    from dated_stays

    group by load_id, external_id

)

select * from summed
