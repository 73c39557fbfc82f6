with

ledger as (

    select * from {{ ref('stg_scoring__predictions') }}

),

batches as (

    select * from {{ ref('int_scoring_batches') }}

),

latest_predictions as (

    select * from {{ ref('int_latest_predictions') }}

),

registry as (

    select * from {{ ref('patient_registry') }}

),

organizations as (

    select * from {{ ref('organizations') }}

),

windows as (

    select * from {{ ref('prediction_windows') }}

),

tiers as (

    select * from {{ ref('int_risk_tier_bounds') }}

),

-- Imported once a use: what a query names twice, PostgreSQL writes aside first,
-- and joins to that in one process.
reason_1 as (

    select * from {{ ref('features') }}

),

reason_2 as (

    select * from {{ ref('features') }}

),

reason_3 as (

    select * from {{ ref('features') }}

),

final as (

    select
        ledger.batch_id,
        ledger.patient_id,
        windows.prediction_window,
        organizations.organization_id,
        ledger.risk_score,
        tiers.risk_tier,
        batches.model_version,
        reason_1.feature_name as reason_1,
        ledger.reason_1_contribution,
        ledger.reason_1_value,
        reason_2.feature_name as reason_2,
        ledger.reason_2_contribution,
        ledger.reason_2_value,
        reason_3.feature_name as reason_3,
        ledger.reason_3_contribution,
        ledger.reason_3_value,
        batches.scored_at,
        latest_predictions.patient_id is not null as is_active

    from ledger

    -- First, so that whoever asks for one kind only joins the rest to that
    left join latest_predictions
        on
            ledger.patient_id = latest_predictions.patient_id
            and ledger.batch_id = latest_predictions.batch_id

    inner join batches on ledger.batch_id = batches.batch_id

    inner join registry on ledger.patient_id = registry.patient_id

    inner join organizations on registry.org_code = organizations.org_code

    inner join windows on ledger.window_days = windows.window_days

    inner join tiers
        on
            ledger.risk_score >= tiers.lower_bound
            and (ledger.risk_score < tiers.upper_bound or tiers.is_top)

    inner join reason_1 on ledger.reason_1_feature_id = reason_1.feature_id

    inner join reason_2 on ledger.reason_2_feature_id = reason_2.feature_id

    inner join reason_3 on ledger.reason_3_feature_id = reason_3.feature_id

)

select * from final
