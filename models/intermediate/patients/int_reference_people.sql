with

loads as (

    select * from {{ ref('int_cohort_loads') }}

    where is_current

),

base_fields as (

    select * from {{ ref('int_patient_base_fields') }}

),

final as (

    select
        loads.load_id,
        loads.organization_id,
        loads.as_of_date,
        base_fields.external_id

    from base_fields

    inner join loads on base_fields.load_id = loads.load_id

)

select * from final
