{{ config(materialized='table', post_hook='analyze {{ this }}') }}

with

new_patients as (

    select * from {{ ref('int_new_patients') }}

),

reference_people as (

    select * from {{ ref('int_reference_people') }}

),

-- Of whoever is in the cohort and was handed in as well, the later day counts; of
-- one day, what was handed in.
final as (

    select
        case
            when new_patients.index_date >= reference_people.as_of_date
                then reference_people.load_id
            else new_patients.load_id
        end as load_id,
        new_patients.external_id

    from new_patients

    inner join reference_people
        on
            new_patients.organization_id = reference_people.organization_id
            and new_patients.external_id = reference_people.external_id

)

select * from final
