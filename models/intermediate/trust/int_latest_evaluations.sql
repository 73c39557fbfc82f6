with

evaluations as (

    select * from {{ ref('stg_scoring__evaluations') }}

),

champions as (

    select * from {{ ref('stg_scoring__champions') }}

),

organizations as (

    select * from {{ ref('organizations') }}

),

loads as (

    select * from {{ ref('int_cohort_loads') }}

),

ranked as (

    select
        *,
        row_number() over (
            partition by target, model_version, load_id, org_code
            order by evaluation_id desc
        ) as recency

    from evaluations

),

final as (

    select
        ranked.evaluation_id,
        ranked.target,
        ranked.model_version,
        organizations.organization_id,
        ranked.org_code,
        ranked.load_id,
        ranked.index_date,
        ranked.status,
        ranked.reason,
        ranked.patient_count,
        ranked.scores_sha256,
        ranked.artifact_sha256,
        ranked.evaluated_at,
        champions.model_version is not null as is_champion,
        coalesce(loads.is_current, false) as is_current_cohort

    from ranked

    inner join organizations on ranked.org_code = organizations.org_code

    left join champions
        on
            ranked.target = champions.target
            and ranked.model_version = champions.model_version

    left join loads
        on
            ranked.load_id = loads.load_id
            and ranked.org_code = loads.org_code

    where ranked.recency = 1

)

select * from final
