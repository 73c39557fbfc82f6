with

tier_faults as (

    select * from {{ ref('int_rule_faults__tiers') }}

),

department_faults as (

    select * from {{ ref('int_rule_faults__departments') }}

),

roi_faults as (

    select * from {{ ref('int_rule_faults__roi') }}

),

organization_faults as (

    select * from {{ ref('int_rule_faults__organizations') }}

),

scenario_faults as (

    select * from {{ ref('int_rule_faults__scenarios') }}

),

evidence_faults as (

    select * from {{ ref('int_rule_faults__evidence') }}

),

final as (

    select * from tier_faults

    union all

    select * from department_faults

    union all

    select * from roi_faults

    union all

    select * from organization_faults

    union all

    select * from scenario_faults

    union all

    select * from evidence_faults

)

select * from final
