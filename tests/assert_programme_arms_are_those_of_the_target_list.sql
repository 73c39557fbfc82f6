-- Who is a control of a programme is one on the list too, where the draw is still
-- today's.

with

cohort_rules as (

    select
        load_id,
        holdout_salt,
        holdout_share

    from {{ ref('int_cohort_rules') }}

    group by load_id, holdout_salt, holdout_share

)

select
    entries.programme_code,
    entries.patient_id

from {{ ref('int_programme_entries') }} as entries

inner join cohort_rules on entries.load_id = cohort_rules.load_id

left join {{ ref('int_holdout_arms') }} as todays
    on entries.patient_id = todays.patient_id

left join {{ ref('int_programme_arms') }} as arms
    on
        entries.programme_code = arms.programme_code
        and entries.patient_id = arms.patient_id

where
    cohort_rules.holdout_salt = '{{ var("holdout_salt") }}'
    and cohort_rules.holdout_share = {{ var("holdout_share") }}
    and (arms.is_control = todays.is_control) is not true
