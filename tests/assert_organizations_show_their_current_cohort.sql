-- Organizations are those of the seed that have a current load, told as seed and
-- load tell of them, with as many patients as there are rows of theirs.

with

current_loads as (

    select
        loads.organization_id,
        organizations.org_code,
        organizations.organization_name,
        loads.data_source,
        loads.as_of_date,
        (
            select count(*) from {{ ref('patients') }} as patients
            where patients.organization_id = loads.organization_id
        ) as patient_count

    from {{ ref('int_cohort_loads') }} as loads

    left join {{ ref('organizations') }} as organizations
        on loads.organization_id = organizations.organization_id

    where loads.is_current

)

select
    shown.*,
    current_loads.organization_id as expected_organization_id,
    current_loads.patient_count as expected_patient_count

from {{ ref('core_organizations') }} as shown

full outer join current_loads
    on shown.organization_id = current_loads.organization_id

where
    shown.org_code is distinct from current_loads.org_code
    or shown.organization_name is distinct from current_loads.organization_name
    or shown.data_source is distinct from current_loads.data_source
    or shown.as_of_date is distinct from current_loads.as_of_date
    or shown.patient_count is distinct from current_loads.patient_count
