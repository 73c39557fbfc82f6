with

rules as (

    select * from {{ ref('department_rules') }}

),

features as (

    select * from {{ ref('features') }}

),

departments as (

    select * from {{ ref('departments') }}

),

conditions as (

    select
        rules.rule_order,
        case
            when departments.department_code is null
                then
                    'unknown department_code '
                    || coalesce(rules.department_code, '(empty)')
            when rules.feature_name is not null and features.feature_name is null
                then 'unknown feature_name ' || rules.feature_name
            when
                rules.feature_name is not null
                and coalesce(rules.operator, '')
                not in ('=', '<>', '<', '<=', '>', '>=')
                then
                    'operator ' || coalesce(rules.operator, '(empty)')
                    || ', expected one of = <> < <= > >='
            when rules.feature_name is not null and rules.threshold is null
                then 'no threshold for ' || rules.feature_name
            when
                rules.feature_name is null
                and (rules.operator is not null or rules.threshold is not null)
                then 'an operator or threshold without a feature_name'
        end as problem

    from rules

    left join departments on rules.department_code = departments.department_code

    left join features on rules.feature_name = features.feature_name

),

rule_summaries as (

    select
        rule_order,
        count(*) as condition_count,
        count(distinct department_code) as department_count,
        count(*) filter (where feature_name is null) as default_count,
        max(rule_order) over () as last_rule_order

    from rules

    group by rule_order

),

rule_problems as (

    select
        rule_order,
        case
            when department_count > 1 then 'one rule names several departments'
            when default_count > 0 and condition_count > 1
                then 'a rule with an empty condition beside another row'
            when default_count > 0 and rule_order <> last_rule_order
                then 'a default (no condition) hides the rules after it'
            when rule_order = last_rule_order and default_count = 0
                then 'the last rule has a condition: expected a default with none'
        end as problem

    from rule_summaries

),

final as (

    select
        'department_rules' as seed,
        'rule_order ' || rule_order as seed_row,
        problem

    from (
        select * from conditions
        union all
        select * from rule_problems
    ) as faults

    where problem is not null

)

select * from final
