with

builds as (

    select * from {{ ref('stg_builds__builds') }}

),

final as (

    select
        build_id,
        status,
        built_by,
        riskmart_version,
        git_commit,
        project_fingerprint,
        model_version,
        inputs,
        row_counts,
        test_count,
        failures,
        started_at,
        finished_at,
        published_at,
        retired_at,
        status = 'published' as is_published,
        cast(
            extract(epoch from finished_at) - extract(epoch from started_at)
            as {{ type_double() }}
        ) as duration_seconds

    from builds

)

select * from final
