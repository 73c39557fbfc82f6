-- AUROC and observed/expected of the model in force, computed a second time in SQL
-- from predictions and outcomes, agree with Python's to 1e-9, and count the same
-- people. That every cohort with outcomes has an evaluation is told by the test
-- unevaluated_models__run_riskmart_build.

with

figures as (

    select * from {{ ref('int_rank_sum_figures') }}

),

summaries as (

    select * from {{ ref('int_evaluation_summaries') }}

    where
        is_champion
        and is_current_cohort
        and status = 'evaluated'

)

select
    summaries.evaluation_id,
    summaries.prediction_window,
    summaries.auroc,
    figures.auroc as auroc_in_sql,
    summaries.observed_expected,
    figures.observed_expected as observed_expected_in_sql,
    summaries.patient_count,
    figures.patient_count as patient_count_in_sql,
    summaries.event_count,
    figures.event_count as event_count_in_sql

from summaries

left join figures
    on
        summaries.target = figures.target
        and summaries.model_version = figures.model_version
        and summaries.organization_id = figures.organization_id
        and summaries.prediction_window = figures.prediction_window

where
    summaries.patient_count is distinct from figures.patient_count
    or summaries.event_count is distinct from figures.event_count
    or (summaries.auroc is null) <> (figures.auroc is null)
    or abs(summaries.auroc - figures.auroc) > 1e-9
    or (summaries.observed_expected is null) <> (figures.observed_expected is null)
    or abs(summaries.observed_expected - figures.observed_expected) > 1e-9
