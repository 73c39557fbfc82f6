-- Gate: in every window the calibration slope of the model in force is within
-- calibration_slope_low and calibration_slope_high. One that cannot be had is not.

select
    evaluations.model_version,
    windows.prediction_window,
    metrics.value as calibration_slope

from {{ ref('int_gated_evaluations') }} as evaluations

cross join {{ ref('prediction_windows') }} as windows

left join {{ ref('int_evaluation_metrics') }} as metrics
    on
        evaluations.evaluation_id = metrics.evaluation_id
        and windows.prediction_window = metrics.prediction_window
        and metrics.group_name = 'all'
        and metrics.metric = 'calibration_slope'

where
    (
        metrics.value between {{ var('calibration_slope_low') }}
        and {{ var('calibration_slope_high') }}
    ) is not true
