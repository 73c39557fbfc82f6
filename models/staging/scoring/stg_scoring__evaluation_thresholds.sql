with

source as (

    select * from {{ source('scoring', 'evaluation_thresholds') }}

),

renamed as (

    select
        -- ids
        evaluation_id,

        -- strings
        group_name,
        group_value,

        -- numerics
        window_days,
        threshold,
        flagged_count,
        sensitivity,
        specificity,
        ppv,
        lift,
        net_benefit,
        net_benefit_all

    from source

)

select * from renamed
