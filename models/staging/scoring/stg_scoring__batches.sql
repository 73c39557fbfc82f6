with

source as (

    select * from {{ source('scoring', 'visible_batches') }}

),

renamed as (

    select
        batch_id,
        target,
        model_version,
        scored_at,
        row_count

    from source

)

select * from renamed
