with

predictions as (

    select * from {{ ref('predictions') }}

),

patients as (

    select * from {{ ref('patients') }}

),

arms as (

    select * from {{ ref('int_holdout_arms') }}

),

roi_rates as (

    select * from {{ ref('int_roi_rates') }}

),

categories as (

    select * from {{ ref('int_roi_category_bounds') }}

),

rule_version as (

    select * from {{ ref('int_roi_rule_version') }}

),

windowed as (

    select
        predictions.patient_id,
        predictions.prediction_window,
        predictions.organization_id,
        predictions.risk_tier,
        arms.is_control,
        patients.annual_cost,
        roi_rates.success_rate,
        roi_rates.intervention_cost,
        patients.annual_cost / 365 * roi_rates.window_days as window_cost

    from predictions

    inner join patients on predictions.patient_id = patients.patient_id

    inner join arms on predictions.patient_id = arms.patient_id

    inner join roi_rates
        on
            predictions.risk_tier = roi_rates.risk_tier
            and predictions.prediction_window = roi_rates.prediction_window

),

saved as (

    select
        *,
        {{ var('addressable_share') }} * window_cost as addressable_cost,
        {{ var('addressable_share') }} * window_cost * success_rate as expected_savings

    from windowed

),

returned as (

    select
        *,
        expected_savings - intervention_cost as net_benefit,
        100 * (expected_savings - intervention_cost) / intervention_cost as roi_percent

    from saved

),

final as (

    select
        returned.patient_id,
        returned.prediction_window,
        returned.organization_id,
        returned.risk_tier,
        returned.annual_cost,
        returned.window_cost,
        returned.addressable_cost,
        returned.success_rate,
        returned.expected_savings,
        returned.intervention_cost,
        returned.net_benefit,
        returned.roi_percent,
        least(greatest(returned.roi_percent, 0), 100) as roi_percent_capped,
        categories.roi_category,
        returned.net_benefit > 0 as is_positive_roi,
        returned.is_control,
        rule_version.rule_version,
        {{ run_timestamp() }} as calculated_at

    from returned

    -- Left, since it has to come last: a bound cannot be compared before the ROI is
    -- known, and PostgreSQL would look each patient up once a category. Whoever fell
    -- into none would fail the column's not-null constraint.
    left join categories
        on
            (
                returned.roi_percent > categories.above_percent
                or categories.above_percent is null
            )
            and (
                returned.roi_percent <= categories.up_to_percent
                or categories.up_to_percent is null
            )

    cross join rule_version

)

select * from final
