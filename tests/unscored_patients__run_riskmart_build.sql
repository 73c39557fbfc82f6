{{ config(severity='warn') }}

-- Patients without a current prediction: `riskmart build` makes it. A warning, so
-- that plain `dbt build` works before anything is scored; `riskmart build` treats
-- it as a failure, because it has scored.

with

patients as (

    select * from {{ ref('patients') }}

),

predictions as (

    select * from {{ ref('predictions') }}

)

select patients.patient_id

from patients

left join predictions on patients.patient_id = predictions.patient_id

where predictions.patient_id is null
