with

source as (

    select * from {{ source('scoring', 'evaluation_metrics') }}

),

renamed as (

    select
        -- ids
        evaluation_id,

        -- strings
        group_name,
        group_value,
        metric,

        -- numerics
        window_days,
        value,
        lower,
        upper,
        patient_count,
        event_count,

        -- booleans
        is_small

    from source

)

select * from renamed
