with

source as (

    select * from {{ source('builds', 'builds') }}

),

renamed as (

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
        retired_at

    from source

)

select * from renamed
