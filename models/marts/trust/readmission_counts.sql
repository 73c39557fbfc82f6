-- A view, for it is a look at two marts side by side; it reads them as whoever asks.
{{
    config(
        materialized='view',
        post_hook='{{ ask_as_reader() }}'
    )
}}

with

evaluations as (

    select * from {{ ref('model_evaluations') }}

    where is_champion and is_current_cohort

),

tiers as (

    select * from {{ ref('model_calibration') }}

    where bin_type = 'tier'

),

final as (

    select
        tiers.evaluation_id,
        tiers.prediction_window,
        tiers.group_name,
        tiers.group_value,
        tiers.bin as risk_tier,
        evaluations.organization_id,
        evaluations.index_date,
        tiers.patient_count,
        coalesce(tiers.expected_rate * tiers.patient_count, 0) as expected_readmissions,
        tiers.event_count as observed_readmissions

    from tiers

    inner join evaluations
        on
            tiers.evaluation_id = evaluations.evaluation_id
            and tiers.prediction_window = evaluations.prediction_window

)

select * from final
