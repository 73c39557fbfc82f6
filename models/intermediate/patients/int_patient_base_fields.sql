with

baseline_patients as (

    select * from {{ ref('stg_baseline__patients') }}

),

cohort_patients as (

    select * from {{ ref('stg_cohorts__patients') }}

),

cms_patients as (

    select * from {{ ref('int_cms_patients') }}

),

new_patients as (

    select * from {{ ref('int_new_patients') }}

),

final as (

    select
        cast(0 as bigint) as load_id,
        external_id,
        cast(null as date) as own_index_date,
        cast(null as timestamp with time zone) as received_at,
        {{ base_fields() }}

    from baseline_patients

    union all

    select
        load_id,
        external_id,
        cast(null as date) as own_index_date,
        cast(null as timestamp with time zone) as received_at,
        {{ base_fields() }}

    from cohort_patients

    union all

    select
        load_id,
        external_id,
        cast(null as date) as own_index_date,
        cast(null as timestamp with time zone) as received_at,
        {{ base_fields() }}

    from cms_patients

    union all

    select
        load_id,
        external_id,
        index_date as own_index_date,
        received_at,
        {{ base_fields() }}

    from new_patients

)

select * from final
