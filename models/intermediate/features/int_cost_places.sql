{{ config(materialized='table', post_hook='analyze {{ this }}') }}

with

loads as (

    select * from {{ ref('int_cohort_loads') }}

),

base_fields as (

    select * from {{ ref('int_patient_base_fields') }}

),

-- New patients are ranked among the people of the cohort, and count for nobody.
costs as (

    select
        loads.reference_load_id,
        loads.load_id,
        base_fields.annual_cost,
        case when loads.load_id = loads.reference_load_id then count(*) else 0 end
            as reference_count

    from base_fields

    inner join loads on base_fields.load_id = loads.load_id

    group by loads.reference_load_id, loads.load_id, base_fields.annual_cost

),

final as (

    select
        reference_load_id,
        load_id,
        annual_cost,
        cast(
            sum(reference_count) over (
                partition by reference_load_id order by annual_cost
            ) as {{ type_double() }}
        )
        / cast(
            sum(reference_count) over (
                partition by reference_load_id
            ) as {{ type_double() }}
        ) as cost_percentile

    from costs

)

select * from final
