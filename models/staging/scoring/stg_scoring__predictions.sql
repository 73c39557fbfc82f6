with

source as (

    select * from {{ source('scoring', 'predictions') }}

),

renamed as (

    select
        -- ids
        batch_id,
        patient_id,

        -- numerics
        window_days,
        score as risk_score,

        -- reasons: which feature, its contribution to the score's log-odds, its value
        reason_1_feature_id,
        reason_1_contribution,
        nullif(reason_1_value, cast('NaN' as {{ type_double() }})) as reason_1_value,
        reason_2_feature_id,
        reason_2_contribution,
        nullif(reason_2_value, cast('NaN' as {{ type_double() }})) as reason_2_value,
        reason_3_feature_id,
        reason_3_contribution,
        nullif(reason_3_value, cast('NaN' as {{ type_double() }})) as reason_3_value

    from source

)

select * from renamed
