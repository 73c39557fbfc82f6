-- A patient is scored for every window or for none.

with

windows_per_patient as (

    select
        patient_id,
        count(*) as window_count

    from {{ ref('predictions') }}

    group by patient_id

)

select *
from windows_per_patient
where window_count <> (select count(*) from {{ ref('prediction_windows') }})
