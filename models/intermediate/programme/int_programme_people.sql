{{ config(materialized='table', post_hook='analyze {{ this }}') }}

with

entries as (

    select * from {{ ref('int_programme_entries') }}

),

projections as (

    select * from {{ ref('int_past_projections') }}

),

arms as (

    select * from {{ ref('int_programme_arms') }}

),

enrolments as (

    select * from {{ ref('int_enrolments') }}

),

entered as (

    select
        entries.programme_code,
        projections.*

    from entries

    inner join projections
        on
            entries.load_id = projections.load_id
            and entries.patient_id = projections.patient_id

),

-- in the programme on some day before the window is over
enrolled as (

    select
        entered.programme_code,
        entered.patient_id,
        entered.prediction_window

    from entered

    inner join enrolments
        on
            entered.programme_code = enrolments.programme_code
            and entered.patient_id = enrolments.patient_id

    where
        {{ dbt.datediff('entered.as_of_date', 'enrolments.enrolled_on', 'day') }}
        <= entered.window_days
        and (
            enrolments.left_on is null or enrolments.left_on > entered.as_of_date
        )

    group by
        entered.programme_code, entered.patient_id, entered.prediction_window

),

final as (

    select
        entered.organization_id,
        entered.programme_code,
        entered.patient_id,
        entered.prediction_window,
        arms.is_control,
        enrolled.patient_id is not null as is_enrolled,
        entered.had_event_before,
        entered.has_event,
        entered.addressable_cost,
        entered.expected_savings,
        entered.intervention_cost

    from entered

    inner join arms
        on
            entered.programme_code = arms.programme_code
            and entered.patient_id = arms.patient_id

    left join enrolled
        on
            entered.programme_code = enrolled.programme_code
            and entered.patient_id = enrolled.patient_id
            and entered.prediction_window = enrolled.prediction_window

)

select * from final
