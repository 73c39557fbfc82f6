{{ config(materialized='table', post_hook='analyze {{ this }}') }}

with

records as (

    select * from {{ ref('stg_new_patients__records') }}

),

loads as (

    select * from {{ ref('int_cohort_loads') }}

    where data_source = 'NEW_PATIENT'

),

ranked as (

    select
        *,
        row_number() over (
            partition by org_code, external_id order by index_date desc, input_id desc
        ) as recency

    from records

),

final as (

    select
        loads.load_id,
        loads.organization_id,
        ranked.input_id,
        ranked.org_code,
        ranked.external_id,
        ranked.index_date,
        ranked.received_at,
        coalesce(
            ranked.age, {{ age_in_years('ranked.birth_date', 'ranked.index_date') }}
        ) as age,
        ranked.is_female,
        ranked.race_code,
        ranked.has_esrd,
        ranked.has_alzheimers,
        ranked.has_chf,
        ranked.has_ckd,
        ranked.has_cancer,
        ranked.has_copd,
        ranked.has_depression,
        ranked.has_diabetes,
        ranked.has_ischemic_heart,
        ranked.has_ra_oa,
        ranked.has_stroke,
        ranked.total_admissions,
        ranked.total_hospital_days,
        {{ dbt.datediff('ranked.last_admission_date', 'ranked.index_date', 'day') }}
            as days_since_last_admission,
        ranked.total_outpatient_visits,
        ranked.annual_cost,
        ranked.inpatient_cost

    from ranked

    -- an organization without a cohort has nobody to be ranked among
    inner join loads on ranked.org_code = loads.org_code

    -- of a person's records the one of the latest day, and of that day the last
    where ranked.recency = 1

)

select * from final
