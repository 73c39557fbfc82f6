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

        -- reasons: which feature, and its contribution to the score's log-odds
        reason_1_feature_id,
        reason_1_contribution,
        reason_2_feature_id,
        reason_2_contribution,
        reason_3_feature_id,
        reason_3_contribution

    from source

)

select * from renamed
