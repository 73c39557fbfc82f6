with

source as (

    select * from {{ source('scoring', 'evaluation_bins') }}

),

renamed as (

    select
        -- ids
        evaluation_id,

        -- strings
        bin_type,
        group_name,
        group_value,

        -- numerics
        window_days,
        bin,
        patient_count,
        expected_rate,
        event_count,
        observed_rate,
        lower,
        upper,
        gate_lower,
        gate_upper

    from source

)

select * from renamed
