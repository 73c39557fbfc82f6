-- How likely a return is positive, worked out again: by how many spreads savings are
-- above what they cost.

with

distances as (

    select
        uncertain.patient_id,
        uncertain.prediction_window,
        uncertain.positive_roi_probability,
        case
            when projections.expected_savings > 0
                then
                    ln(projections.expected_savings / projections.intervention_cost)
                    / nullif(
                        case
                            when
                                projections.expected_savings
                                > projections.intervention_cost
                                then spread.downside_spread
                            else spread.upside_spread
                        end, 0
                    )
        end as distance,
        projections.is_positive_roi

    from {{ ref('roi_uncertainty') }} as uncertain

    inner join {{ ref('financial_projections') }} as projections
        on
            uncertain.patient_id = projections.patient_id
            and uncertain.prediction_window = projections.prediction_window

    cross join {{ ref('int_roi_spread') }} as spread

)

select
    patient_id,
    prediction_window

from distances

where
    abs(
        positive_roi_probability - case
            when distance is null and is_positive_roi then 1
            when distance is null then 0
            else {{ normal_cdf('distance') }}
        end
    )
    > 1e-9
