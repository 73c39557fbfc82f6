with

summaries as (

    select * from {{ ref('int_evaluation_summaries') }}

),

final as (

    select
        evaluation_id,
        prediction_window,
        target,
        model_version,
        organization_id,
        index_date,
        status,
        reason,
        is_champion,
        is_current_cohort,
        patient_count,
        event_count,
        auroc,
        auroc_lower,
        auroc_upper,
        auprc,
        brier,
        scaled_brier,
        log_loss,
        calibration_in_the_large,
        calibration_slope,
        calibration_intercept,
        ici,
        expected_rate,
        observed_rate,
        observed_expected,
        scores_sha256,
        artifact_sha256,
        evaluated_at

    from summaries

)

select * from final
