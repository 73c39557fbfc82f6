-- A patient's steps bring ever less a dollar and add up to the window with the highest
-- net benefit; who has a positive return and is no control has steps, and nobody else.

with

steps as (

    select
        *,
        lag(net_per_dollar) over patient_steps as earlier_net_per_dollar

    from {{ ref('targeting_steps') }}

    window
        patient_steps as (
            partition by patient_id order by net_per_dollar desc, prediction_window asc
        )

),

sums as (

    select
        patient_id,
        sum(step_net_benefit) as net_benefit,
        count(*) filter (where previous_window is null) as first_count,
        count(*) filter (where (net_per_dollar < earlier_net_per_dollar) is false)
            as rising_count

    from steps

    group by patient_id

),

best as (

    select
        patient_id,
        max(net_benefit) as net_benefit

    from {{ ref('financial_projections') }}

    where is_positive_roi and not is_control

    group by patient_id

)

select
    best.patient_id,
    sums.patient_id as patient_with_steps

from best

full outer join sums on best.patient_id = sums.patient_id

where
    (
        abs(best.net_benefit - sums.net_benefit) <= 1e-9 * greatest(1, best.net_benefit)
        and sums.first_count = 1
        and sums.rising_count = 0
    ) is not true
