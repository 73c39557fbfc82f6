-- Nobody of the cohort that the gates look at is in a training history as well: a
-- model would then be judged by what it has seen.

with

features as (

    select * from {{ ref('int_patient_features') }}

),

gate_cohort as (

    select features.patient_id

    from features

    inner join {{ ref('int_cohort_loads') }} as loads
        on
            features.load_id = loads.load_id
            and features.organization_id = loads.organization_id

    where
        loads.is_current
        and loads.org_code = '{{ var("gate_org_code") }}'

)

select
    features.patient_id,
    features.load_id

from features

inner join gate_cohort on features.patient_id = gate_cohort.patient_id

where features.purpose = 'training'
