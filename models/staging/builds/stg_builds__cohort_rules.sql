with

source as (

    select * from {{ source('builds', 'cohort_rules') }}

),

renamed as (

    select
        -- ids
        org_code,
        build_id,
        risk_tier,

        -- strings
        prediction_window,
        holdout_salt,

        -- numerics
        window_days,
        lower_bound,
        upper_bound,
        intervention_cost,
        success_rate,
        addressable_share,
        holdout_share,

        -- booleans
        is_top,

        -- dates
        as_of_date

    from source

)

select * from renamed
