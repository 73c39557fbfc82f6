with

loads as (

    select * from {{ ref('int_cohort_loads') }}

),

registry as (

    select * from {{ ref('patient_registry') }}

),

baseline_outcomes as (

    select * from {{ ref('stg_baseline__outcomes') }}

),

cohort_outcomes as (

    select * from {{ ref('stg_cohorts__outcomes') }}

),

cms_patients as (

    select * from {{ ref('int_cms_patients') }}

),

cms_inpatient_use as (

    select * from {{ ref('int_cms_inpatient_use') }}

),

cms_outcomes as (

    select
        cms_patients.load_id,
        cms_patients.external_id,
        {{ dbt.datediff(
            'loads.as_of_date', 'cms_inpatient_use.next_admission_date', 'day'
        ) }} as days_to_next_admission

    from cms_patients

    inner join loads on cms_patients.load_id = loads.load_id

    left join cms_inpatient_use
        on
            cms_patients.load_id = cms_inpatient_use.load_id
            and cms_patients.external_id = cms_inpatient_use.external_id

    -- before claims reach 90 days past the as-of date, nobody knows
    where loads.has_outcomes

),

all_outcomes as (

    select
        cast(0 as bigint) as load_id,
        external_id,
        days_to_readmission
    from baseline_outcomes

    union all

    select
        load_id,
        external_id,
        days_to_readmission
    from cohort_outcomes

    union all

    select
        load_id,
        external_id,
        case when days_to_next_admission <= 90 then days_to_next_admission end
            as days_to_readmission
    from cms_outcomes

),

final as (

    select
        all_outcomes.load_id,
        registry.patient_id,
        cast(all_outcomes.days_to_readmission as smallint) as days_to_readmission

    from all_outcomes

    inner join loads on all_outcomes.load_id = loads.load_id

    inner join registry
        on
            loads.org_code = registry.org_code
            and all_outcomes.external_id = registry.external_id

)

select * from final
