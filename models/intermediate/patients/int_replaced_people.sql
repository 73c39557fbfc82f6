with

new_patients as (

    select * from {{ ref('int_new_patients') }}

),

loads as (

    select * from {{ ref('int_cohort_loads') }}

    where is_current

),

base_fields as (

    select * from {{ ref('int_patient_base_fields') }}

),

-- Of whoever is in the cohort and was handed in as well, the later day counts; of
-- one day, what was handed in.
final as (

    select
        case
            when new_patients.index_date >= loads.as_of_date then loads.load_id
            else new_patients.load_id
        end as load_id,
        new_patients.external_id

    from new_patients

    inner join loads on new_patients.organization_id = loads.organization_id

    inner join base_fields
        on
            loads.load_id = base_fields.load_id
            and new_patients.external_id = base_fields.external_id

)

select * from final
