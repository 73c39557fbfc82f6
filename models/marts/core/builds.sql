with

builds as (

    select * from {{ ref('int_builds') }}

),

final as (

    select
        build_id,
        status,
        is_published,
        started_at,
        finished_at,
        duration_seconds,
        published_at,
        retired_at,
        built_by,
        riskmart_version,
        git_commit,
        project_fingerprint,
        model_version,
        inputs,
        row_counts,
        test_count,
        failures

    from builds

)

select * from final
