-- A table: what is scored while a build runs is not half in it.
{{ config(materialized='table', post_hook='analyze {{ this }}') }}

with

batches as (

    select * from {{ ref('stg_scoring__batches') }}

),

final as (

    select
        batch_id,
        target,
        model_version,
        scored_at

    from batches

    where target = 'readmission'

)

select * from final
