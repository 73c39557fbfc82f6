{{ config(alias='organizations') }}

with

organizations as (

    select * from {{ ref('organizations') }}

),

current_loads as (

    select * from {{ ref('int_cohort_loads') }}

    where is_current

),

patient_counts as (

    select * from {{ ref('int_patient_counts') }}

),

final as (

    select
        organizations.organization_id,
        organizations.org_code,
        organizations.organization_name,
        current_loads.data_source,
        current_loads.as_of_date,
        coalesce(patient_counts.patient_count, 0) as patient_count

    from organizations

    inner join current_loads
        on organizations.organization_id = current_loads.organization_id

    left join patient_counts
        on organizations.organization_id = patient_counts.organization_id

)

select * from final
