with

evaluations as (

    select * from {{ ref('int_latest_evaluations') }}

),

windows as (

    select * from {{ ref('prediction_windows') }}

),

metrics as (

    select * from {{ ref('int_evaluation_metrics') }}

    where group_name = 'all'

),

pivoted as (

    select
        evaluation_id,
        prediction_window,
        max(event_count) as event_count,
        max(value) filter (where metric = 'auroc') as auroc,
        max(value) filter (where metric = 'auprc') as auprc,
        max(value) filter (where metric = 'brier') as brier,
        max(value) filter (where metric = 'scaled_brier') as scaled_brier,
        max(value) filter (where metric = 'log_loss') as log_loss,
        max(value) filter (where metric = 'calibration_in_the_large')
            as calibration_in_the_large,
        max(value) filter (where metric = 'calibration_slope') as calibration_slope,
        max(value) filter (where metric = 'calibration_intercept')
            as calibration_intercept,
        max(value) filter (where metric = 'ici') as ici,
        max(value) filter (where metric = 'expected_rate') as expected_rate,
        max(value) filter (where metric = 'observed_rate') as observed_rate,
        max(value) filter (where metric = 'observed_expected') as observed_expected,
        max(lower) filter (where metric = 'auroc') as auroc_lower,
        max(upper) filter (where metric = 'auroc') as auroc_upper

    from metrics

    group by evaluation_id, prediction_window

),

final as (

    select
        evaluations.evaluation_id,
        windows.prediction_window,
        evaluations.target,
        evaluations.model_version,
        evaluations.organization_id,
        evaluations.index_date,
        evaluations.status,
        evaluations.reason,
        evaluations.is_champion,
        evaluations.is_current_cohort,
        evaluations.patient_count,
        pivoted.event_count,
        pivoted.auroc,
        pivoted.auroc_lower,
        pivoted.auroc_upper,
        pivoted.auprc,
        pivoted.brier,
        pivoted.scaled_brier,
        pivoted.log_loss,
        pivoted.calibration_in_the_large,
        pivoted.calibration_slope,
        pivoted.calibration_intercept,
        pivoted.ici,
        pivoted.expected_rate,
        pivoted.observed_rate,
        pivoted.observed_expected,
        evaluations.scores_sha256,
        evaluations.artifact_sha256,
        evaluations.evaluated_at

    from evaluations

    -- a cohort that was not evaluated has its rows too, without figures
    cross join windows

    left join pivoted
        on
            evaluations.evaluation_id = pivoted.evaluation_id
            and windows.prediction_window = pivoted.prediction_window

)

select * from final
