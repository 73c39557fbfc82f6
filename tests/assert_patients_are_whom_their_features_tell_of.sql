-- Every person of a current cohort is a patient, and nobody else: as registered,
-- as routed, as their features and their organization's current load tell.

with

features as (

    select * from {{ ref('int_patient_features') }}

    where is_current

),

people as (

    select
        features.*,
        registry.patient_uuid,
        registry.registered_at,
        routed.department_id,
        loads.data_source,
        coalesce(features.recorded_at, registry.registered_at) as updated_at,
        races.race,
        age_bands.age_band

    from features

    left join {{ ref('patient_registry') }} as registry
        on features.patient_id = registry.patient_id

    left join {{ ref('int_patient_departments') }} as routed
        on features.patient_id = routed.patient_id

    left join {{ ref('int_cohort_loads') }} as loads
        on features.load_id = loads.load_id

    left join {{ ref('races') }} as races
        on features.race_code = races.race_code

    left join {{ ref('age_bands') }} as age_bands
        on features.age between age_bands.from_age and age_bands.up_to_age

)

select
    coalesce(patients.patient_id, people.patient_id) as patient_id,
    patients.patient_id is not null as is_shown,
    people.patient_id is not null as is_current

from {{ ref('patients') }} as patients

full outer join people on patients.patient_id = people.patient_id

where
    patients.patient_uuid is distinct from people.patient_uuid
    or patients.organization_id is distinct from people.organization_id
    or patients.department_id is distinct from people.department_id
    or patients.data_source is distinct from people.data_source
    or patients.index_date is distinct from people.index_date
    or patients.age is distinct from people.age
    or patients.age_band is distinct from people.age_band
    or (patients.gender = 'Female') is distinct from (people.is_female = 1)
    or patients.race is distinct from people.race
    or patients.annual_cost is distinct from people.annual_cost
    or patients.cost_percentile is distinct from people.cost_percentile
    or patients.created_at is distinct from people.registered_at
    or patients.updated_at is distinct from people.updated_at
