with

loads as (

    select * from {{ ref('int_cohort_loads') }}

),

registry as (

    select * from {{ ref('patient_registry') }}

),

base_fields as (

    select * from {{ ref('int_patient_base_fields') }}

),

reference_costs as (

    select * from {{ ref('int_reference_costs') }}

),

new_patient_costs as (

    select * from {{ ref('int_new_patient_costs') }}

),

replaced_people as (

    select * from {{ ref('int_replaced_people') }}

),

final as (

    select
        loads.organization_id,
        loads.purpose,
        (loads.is_current or loads.data_source = 'NEW_PATIENT')
        and replaced_people.external_id is null as is_current,
        coalesce(base_fields.own_index_date, loads.as_of_date) as index_date,
        coalesce(base_fields.received_at, loads.loaded_at) as recorded_at,
        registry.patient_id,
        coalesce(reference_costs.cost_percentile, new_patient_costs.cost_percentile)
            as cost_percentile,
        base_fields.*

    from base_fields

    inner join loads on base_fields.load_id = loads.load_id

    inner join registry
        on
            loads.org_code = registry.org_code
            and base_fields.external_id = registry.external_id

    left join reference_costs
        on
            base_fields.load_id = reference_costs.load_id
            and base_fields.annual_cost = reference_costs.annual_cost

    left join new_patient_costs
        on
            base_fields.load_id = new_patient_costs.load_id
            and base_fields.external_id = new_patient_costs.external_id

    left join replaced_people
        on
            base_fields.load_id = replaced_people.load_id
            and base_fields.external_id = replaced_people.external_id

)

select * from final
