{{ config(materialized='table', post_hook='analyze {{ this }}') }}

with

ledger as (

    select * from {{ ref('stg_scoring__predictions') }}

),

batches as (

    select * from {{ ref('int_scoring_batches') }}

),

features as (

    select * from {{ ref('int_patient_features') }}

),

latest as (

    select
        ledger.patient_id,
        max(ledger.batch_id) as batch_id

    from ledger

    inner join batches on ledger.batch_id = batches.batch_id

    -- whoever left the cohort keeps a history and has no active prediction
    inner join features on ledger.patient_id = features.patient_id

    where features.is_current

    group by ledger.patient_id

)

select * from latest
