{{ config(indexes=[{'columns': ['organization_id', 'prediction_window']}]) }}

with

ledger as (

    select * from {{ ref('stg_scoring__predictions') }}

),

batches as (

    select * from {{ ref('stg_scoring__batches') }}

    where target = 'readmission'

),

patients as (

    select * from {{ ref('patients') }}

),

registry as (

    select * from {{ ref('patient_registry') }}

),

windows as (

    select * from {{ ref('prediction_windows') }}

),

tiers as (

    select * from {{ ref('int_risk_tier_bounds') }}

),

features as (

    select * from {{ ref('features') }}

),

latest_batches as (

    select
        ledger.patient_id,
        max(ledger.batch_id) as batch_id

    from ledger

    inner join batches on ledger.batch_id = batches.batch_id

    -- whoever left the cohort keeps a history and has no active prediction
    inner join patients on ledger.patient_id = patients.patient_id

    group by ledger.patient_id

),

final as (

    select
        ledger.batch_id,
        ledger.patient_id,
        windows.prediction_window,
        registry.organization_id,
        ledger.risk_score,
        tiers.risk_tier,
        batches.model_version,
        reason_1.feature_name as reason_1,
        ledger.reason_1_contribution,
        reason_2.feature_name as reason_2,
        ledger.reason_2_contribution,
        reason_3.feature_name as reason_3,
        ledger.reason_3_contribution,
        batches.scored_at,
        latest_batches.patient_id is not null as is_active

    from ledger

    inner join batches on ledger.batch_id = batches.batch_id

    inner join registry on ledger.patient_id = registry.patient_id

    inner join windows on ledger.window_days = windows.window_days

    inner join tiers
        on
            ledger.risk_score >= tiers.lower_bound
            and (ledger.risk_score < tiers.upper_bound or tiers.is_top)

    inner join features as reason_1 on ledger.reason_1_feature_id = reason_1.feature_id

    inner join features as reason_2 on ledger.reason_2_feature_id = reason_2.feature_id

    inner join features as reason_3 on ledger.reason_3_feature_id = reason_3.feature_id

    left join latest_batches
        on
            ledger.patient_id = latest_batches.patient_id
            and ledger.batch_id = latest_batches.batch_id

)

select * from final
