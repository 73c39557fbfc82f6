{{ config(materialized='table', post_hook='analyze {{ this }}') }}

with

enrolments as (

    select * from {{ ref('stg_programme__enrolments') }}

),

registry as (

    select * from {{ ref('patient_registry') }}

),

organizations as (

    select * from {{ ref('organizations') }}

),

final as (

    select
        organizations.organization_id,
        enrolments.programme_code,
        registry.patient_id,
        enrolments.enrolled_on,
        enrolments.left_on

    from enrolments

    inner join registry
        on
            enrolments.org_code = registry.org_code
            and enrolments.external_id = registry.external_id

    inner join organizations on enrolments.org_code = organizations.org_code

)

select * from final
