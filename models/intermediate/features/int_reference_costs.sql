{{
    config(
        materialized='table',
        indexes=[{'columns': ['load_id', 'annual_cost'], 'unique': True}],
        post_hook='analyze {{ this }}'
    )
}}

with

loads as (

    select * from {{ ref('int_cohort_loads') }}

    where load_id = reference_load_id

),

base_fields as (

    select * from {{ ref('int_patient_base_fields') }}

),

costs as (

    select
        base_fields.load_id,
        base_fields.annual_cost,
        count(*) as patient_count

    from base_fields

    inner join loads on base_fields.load_id = loads.load_id

    group by base_fields.load_id, base_fields.annual_cost

),

final as (

    select
        load_id,
        annual_cost,
        cast(
            sum(patient_count) over (
                partition by load_id order by annual_cost
            ) as {{ type_double() }}
        )
        / cast(
            sum(patient_count) over (partition by load_id) as {{ type_double() }}
        ) as cost_percentile

    from costs

)

select * from final
