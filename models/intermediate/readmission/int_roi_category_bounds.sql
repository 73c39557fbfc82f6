{{ config(materialized='table', post_hook='analyze {{ this }}') }}

with

categories as (

    select * from {{ ref('roi_categories') }}

),

final as (

    select
        roi_category,
        above_percent,
        -- null for the best category: no upper end
        lead(above_percent) over (order by above_percent nulls first) as up_to_percent

    from categories

)

select * from final
