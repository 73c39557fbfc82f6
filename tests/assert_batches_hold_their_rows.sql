{{ config(tags=['whole']) }}

-- The ledger has no foreign key to its batches (it is the one large append-only
-- table): each batch has exactly the rows it says, and each row has a batch. Of one
-- whose people were all forgotten, none is left.

with

batches as (

    select * from {{ source('scoring', 'prediction_batches') }}

),

written as (

    select
        batch_id,
        count(*) as row_count

    from {{ source('scoring', 'predictions') }}

    group by batch_id

)

select
    batches.batch_id,
    written.batch_id as written_batch_id,
    batches.row_count,
    written.row_count as written_row_count

from batches

full outer join written on batches.batch_id = written.batch_id

where batches.row_count is distinct from coalesce(written.row_count, 0)
