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

final as (

    select
        cast(0 as bigint) as load_id,
        external_id,
        {{ base_fields() }}

    from baseline_patients

    union all

    select
        load_id,
        external_id,
        {{ base_fields() }}

    from cohort_patients

    union all

    select
        load_id,
        external_id,
        {{ base_fields() }}

    from cms_patients

)

select * from final
