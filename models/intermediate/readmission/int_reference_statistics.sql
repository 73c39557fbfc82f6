{{ config(materialized='table', post_hook='analyze {{ this }}') }}

with

features as (

    select * from {{ ref('int_patient_features') }}

),

current_loads as (

    select load_id

    from {{ ref('int_cohort_loads') }}

    where is_current

),

loads as (

    select * from {{ ref('int_cohort_loads') }}

),

-- All of them, also whoever was handed in again since: new records never move what
-- they are held against.
people as (

    select features.*

    from features

    inner join current_loads on features.load_id = current_loads.load_id

),

statistics as (

    {{ feature_statistics('people', by='load_id') }}

),

final as (

    select
        loads.organization_id,
        statistics.feature_name,
        loads.data_source,
        statistics.patient_count,
        statistics.missing_share,
        statistics.mean,
        statistics.standard_deviation,
        statistics.first_quartile,
        statistics.median,
        statistics.third_quartile

    from statistics

    inner join loads on statistics.load_id = loads.load_id

)

select * from final
