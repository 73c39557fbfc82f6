{% set amounts = {
    "window_cost": "patients.annual_cost / 365 * rules.window_days",
    "addressable_cost": var("addressable_share") ~ " * projections.window_cost",
    "expected_savings": "projections.addressable_cost * projections.success_rate",
} %}

-- Every prediction has its projection, by its patient's cost and by what the seeds
-- have for its tier, window and return; who is a control was drawn. All were
-- calculated at once. What is subtracted and divided after that, the model's YAML
-- tests.

with

rules as (

    select
        prices.risk_tier,
        prices.prediction_window,
        prices.intervention_cost_usd,
        rates.success_rate,
        windows.window_days

    from {{ ref('intervention_costs') }} as prices

    inner join {{ ref('success_rates') }} as rates
        on
            prices.risk_tier = rates.risk_tier
            and prices.prediction_window = rates.prediction_window

    inner join {{ ref('prediction_windows') }} as windows
        on prices.prediction_window = windows.prediction_window

)

select
    predictions.patient_id,
    predictions.prediction_window,
    projections.patient_id as projected_patient_id,
    projections.prediction_window as projected_prediction_window

from {{ ref('predictions') }} as predictions

full outer join {{ ref('financial_projections') }} as projections
    on
        predictions.patient_id = projections.patient_id
        and predictions.prediction_window = projections.prediction_window

left join {{ ref('patients') }} as patients
    on predictions.patient_id = patients.patient_id

left join {{ ref('int_holdout_arms') }} as arms
    on predictions.patient_id = arms.patient_id

left join rules
    on
        predictions.risk_tier = rules.risk_tier
        and predictions.prediction_window = rules.prediction_window

left join {{ ref('int_roi_category_bounds') }} as categories
    on projections.roi_category = categories.roi_category

where
    (
        projections.organization_id = predictions.organization_id
        and projections.risk_tier = predictions.risk_tier
        and projections.annual_cost = patients.annual_cost
        and projections.success_rate = rules.success_rate
        and projections.intervention_cost = rules.intervention_cost_usd
        {%- for amount, formula in amounts.items() %}
        and abs(projections.{{ amount }} - {{ formula }})
        <= 1e-9 * projections.{{ amount }}
        {%- endfor %}
        and projections.roi_percent_capped
        = least(greatest(projections.roi_percent, 0), 100)
        and projections.is_control = arms.is_control
        and categories.roi_category is not null
        and (
            projections.roi_percent > categories.above_percent
            or categories.above_percent is null
        )
        and (
            projections.roi_percent <= categories.up_to_percent
            or categories.up_to_percent is null
        )
        and projections.rule_version
        = (
            select versions.rule_version
            from {{ ref('int_roi_rule_version') }} as versions
        )
        and projections.calculated_at = (
            select max(latest.calculated_at)
            from {{ ref('financial_projections') }} as latest
        )
    ) is not true
