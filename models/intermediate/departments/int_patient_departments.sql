-- depends_on: {{ ref('int_rule_faults') }}, {{ ref('department_rules') }}
{{ config(materialized='table', post_hook='analyze {{ this }}') }}

with

features as (

    select * from {{ ref('int_patient_features') }}

),

departments as (

    select * from {{ ref('departments') }}

),

routed as (

    select
        patient_id,
        organization_id,
        {{ department_by_first_match(department_rules()) }} as department_code

    from features

    where is_current

),

final as (

    select
        routed.patient_id,
        routed.organization_id,
        departments.department_id

    from routed

    inner join departments on routed.department_code = departments.department_code

)

select * from final
