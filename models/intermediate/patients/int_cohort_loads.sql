{{ config(materialized='table', post_hook='analyze {{ this }}') }}

with

baseline_patients as (

    select * from {{ ref('stg_baseline__patients') }}

),

loads as (

    select * from {{ ref('stg_cohorts__loads') }}

),

organizations as (

    select * from {{ ref('organizations') }}

),

baseline_load as (

    select
        0 as load_id,
        org_code,
        index_date as as_of_date,
        'X_TEST' as data_source,
        'cohort' as purpose,
        true as has_outcomes

    from baseline_patients

    group by org_code, index_date

),

file_loads as (

    select
        load_id,
        org_code,
        as_of_date,
        case when load_source = 'cms' then 'CMS' else 'COHORT' end as data_source,
        purpose,
        has_outcomes

    from loads

),

all_loads as (

    select * from baseline_load

    union all

    select * from file_loads

),

ranked as (

    select
        *,
        row_number() over (
            partition by org_code, purpose order by as_of_date desc, load_id desc
        ) as recency

    from all_loads

),

cohort_loads as (

    select
        ranked.load_id,
        organizations.organization_id,
        ranked.org_code,
        ranked.as_of_date,
        ranked.data_source,
        ranked.purpose,
        ranked.has_outcomes,
        loads.loaded_at,
        ranked.purpose = 'cohort' and ranked.recency = 1 as is_current

    from ranked

    inner join organizations on ranked.org_code = organizations.org_code

    left join loads on ranked.load_id = loads.load_id

),

-- Who was handed in one by one joins the organization's current cohort, and is
-- ranked among its people.
new_patient_loads as (

    select
        cast(-organization_id - 1 as {{ dbt.type_bigint() }}) as load_id,
        organization_id,
        org_code,
        as_of_date,
        'NEW_PATIENT' as data_source,
        'cohort' as purpose,
        false as has_outcomes,
        loaded_at,
        false as is_current,
        load_id as reference_load_id

    from cohort_loads

    where is_current

),

final as (

    select
        *,
        load_id as reference_load_id

    from cohort_loads

    union all

    select * from new_patient_loads

)

select * from final
