with

inpatient_claims as (

    select * from {{ ref('stg_cms__inpatient_claims') }}

),

-- CMS splits a long stay into segments of one claim
stays as (

    select
        load_id,
        claim_id,
        min(external_id) as external_id,
        min(admission_date) as admission_date,
        max(utilization_days) as hospital_days

    from inpatient_claims

    group by load_id, claim_id

)

select * from stays
