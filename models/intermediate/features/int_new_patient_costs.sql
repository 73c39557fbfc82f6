{{ config(materialized='table', post_hook='analyze {{ this }}') }}

with

new_patients as (

    select * from {{ ref('int_new_patients') }}

),

loads as (

    select * from {{ ref('int_cohort_loads') }}

),

reference_costs as (

    select * from {{ ref('int_reference_costs') }}

),

-- New patients are ranked among the people of the cohort, and count for nobody.
final as (

    select
        new_patients.load_id,
        new_patients.external_id,
        coalesce(
            (
                select reference_costs.cost_percentile
                from reference_costs
                where
                    reference_costs.load_id = loads.reference_load_id
                    and reference_costs.annual_cost <= new_patients.annual_cost
                order by reference_costs.annual_cost desc
                limit 1
            ),
            0
        ) as cost_percentile

    from new_patients

    inner join loads on new_patients.load_id = loads.load_id

)

select * from final
