{{
    config(indexes=[
        {'columns': ['organization_id', 'department_id']},
        {'columns': ['department_id']},
    ])
}}

with

features as (

    select * from {{ ref('int_patient_features') }}

),

loads as (

    select * from {{ ref('int_cohort_loads') }}

),

patient_departments as (

    select * from {{ ref('int_patient_departments') }}

),

registry as (

    select * from {{ ref('patient_registry') }}

),

races as (

    select * from {{ ref('races') }}

),

age_bands as (

    select * from {{ ref('age_bands') }}

),

final as (

    select
        features.patient_id,
        registry.patient_uuid,
        features.organization_id,
        patient_departments.department_id,
        loads.data_source,
        features.index_date,
        features.age,
        age_bands.age_band,
        case when features.is_female = 1 then 'Female' else 'Male' end as gender,
        races.race,
        features.annual_cost,
        features.cost_percentile,
        registry.registered_at as created_at,
        coalesce(features.recorded_at, registry.registered_at) as updated_at

    from features

    inner join loads on features.load_id = loads.load_id

    inner join patient_departments
        on features.patient_id = patient_departments.patient_id

    inner join registry on features.patient_id = registry.patient_id

    inner join races on features.race_code = races.race_code

    inner join age_bands
        on features.age between age_bands.from_age and age_bands.up_to_age

    where features.is_current

)

select * from final
