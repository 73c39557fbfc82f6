{{ config(severity='warn') }}

-- A model in force without an evaluation to hold the gates to, or a cohort whose
-- outcomes are known and that it has not been evaluated on: `riskmart build` does
-- it. A warning, so that plain `dbt build` works before anything is evaluated;
-- `riskmart build` treats it as a failure, because it has evaluated.

with

champions as (

    select * from {{ ref('stg_scoring__champions') }}

),

evaluations as (

    select * from {{ ref('int_latest_evaluations') }}

    where status = 'evaluated' and is_current_cohort

),

figures as (

    select * from {{ ref('int_rank_sum_figures') }}

),

not_gated as (

    select
        champions.target,
        champions.model_version,
        '{{ var("gate_org_code") }}' as org_code

    from champions

    left join {{ ref('int_gated_evaluations') }} as gated
        on champions.target = gated.target

    where gated.target is null

),

not_evaluated as (

    select
        figures.target,
        figures.model_version,
        organizations.org_code

    from figures

    inner join champions
        on
            figures.target = champions.target
            and figures.model_version = champions.model_version

    inner join {{ ref('organizations') }} as organizations
        on figures.organization_id = organizations.organization_id

    left join evaluations
        on
            figures.target = evaluations.target
            and figures.model_version = evaluations.model_version
            and figures.organization_id = evaluations.organization_id

    where evaluations.evaluation_id is null

    group by figures.target, figures.model_version, organizations.org_code

)

select * from not_gated

union all

select * from not_evaluated
