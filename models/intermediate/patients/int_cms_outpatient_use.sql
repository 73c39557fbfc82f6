with

loads as (

    select * from {{ ref('int_cohort_loads') }}

),

outpatient_claims as (

    select * from {{ ref('stg_cms__outpatient_claims') }}

),

visits as (

    select
        outpatient_claims.load_id,
        outpatient_claims.external_id,
        count(distinct outpatient_claims.claim_id) as total_outpatient_visits

    from outpatient_claims

    inner join loads on outpatient_claims.load_id = loads.load_id

    where
        outpatient_claims.service_from_date > loads.as_of_date - interval '1 year'
        and outpatient_claims.service_from_date <= loads.as_of_date

    group by outpatient_claims.load_id, outpatient_claims.external_id

)

select * from visits
