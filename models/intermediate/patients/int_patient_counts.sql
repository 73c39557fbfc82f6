{{ config(materialized='table', post_hook='analyze {{ this }}') }}

with

patients as (

    select * from {{ ref('int_current_patients') }}

),

final as (

    select
        organization_id,
        count(*) as patient_count

    from patients

    group by organization_id

)

select * from final
