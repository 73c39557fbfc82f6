with

ledger as (

    select * from {{ ref('stg_scoring__predictions') }}

),

batches as (

    select * from {{ ref('stg_scoring__batches') }}

    where target = 'readmission'

),

registry as (

    select * from {{ ref('patient_registry') }}

),

loads as (

    select * from {{ ref('int_cohort_loads') }}

    where is_current

),

-- One moment, known before the ledger is read: where no batch is older than the
-- latest cohort, nothing of the ledger is read at all.
latest_load as (

    select max(loaded_at) as loaded_at

    from {{ ref('int_cohort_loads') }}

    where is_current

),

windows as (

    select * from {{ ref('prediction_windows') }}

),

tiers as (

    select * from {{ ref('int_risk_tier_bounds') }}

),

scored_before as (

    select
        ledger.patient_id,
        ledger.window_days,
        ledger.risk_score,
        row_number() over (
            partition by ledger.patient_id, ledger.window_days
            order by ledger.batch_id desc
        ) as recency

    from ledger

    inner join batches on ledger.batch_id = batches.batch_id

    inner join registry on ledger.patient_id = registry.patient_id

    inner join loads on registry.org_code = loads.org_code

    where
        batches.scored_at < (select latest_load.loaded_at from latest_load)
        and batches.scored_at < loads.loaded_at

),

final as (

    select
        scored_before.patient_id,
        windows.prediction_window,
        tiers.risk_tier as previous_tier

    from scored_before

    inner join windows on scored_before.window_days = windows.window_days

    inner join tiers
        on
            scored_before.risk_score >= tiers.lower_bound
            and (scored_before.risk_score < tiers.upper_bound or tiers.is_top)

    where scored_before.recency = 1

)

select * from final
