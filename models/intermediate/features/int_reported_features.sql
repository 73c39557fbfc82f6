with

registry as (

    select * from {{ ref('patient_registry') }}

),

loads as (

    select * from {{ ref('int_cohort_loads') }}

),

baseline_patients as (

    select * from {{ ref('stg_baseline__patients') }}

),

cohort_patients as (

    select * from {{ ref('stg_cohorts__patients') }}

),

reported as (

    select
        cast(0 as bigint) as load_id,
        external_id,
        reported_is_elderly,
        reported_recent_admission,
        reported_high_outpatient_user,
        reported_cost_percentile,
        reported_high_cost,
        reported_frailty_score,
        reported_complexity_index

    from baseline_patients

    union all

    select
        load_id,
        external_id,
        reported_is_elderly,
        reported_recent_admission,
        reported_high_outpatient_user,
        reported_cost_percentile,
        reported_high_cost,
        reported_frailty_score,
        reported_complexity_index

    from cohort_patients

),

final as (

    select
        registry.patient_id,
        reported.*

    from reported

    inner join loads on reported.load_id = loads.load_id

    inner join registry
        on
            loads.org_code = registry.org_code
            and reported.external_id = registry.external_id

)

select * from final
