-- Whoever has a prediction, and a score from before the current cohort came in, is
-- counted once a window, from where the latest such score stood to where they are.

with

scored_before as (

    select
        history.patient_id,
        history.prediction_window,
        max(history.batch_id) as batch_id

    from {{ ref('prediction_history') }} as history

    inner join {{ ref('int_cohort_loads') }} as loads
        on history.organization_id = loads.organization_id and loads.is_current

    where
        history.scored_at < loads.loaded_at
        -- as in the model: where no batch is that old, nothing is read
        and history.scored_at < (
            select max(latest.loaded_at)
            from {{ ref('int_cohort_loads') }} as latest
            where latest.is_current
        )

    group by history.patient_id, history.prediction_window

),

expected as (

    select
        predictions.organization_id,
        predictions.prediction_window,
        history.risk_tier as previous_tier,
        predictions.risk_tier,
        count(*) as patient_count

    from scored_before

    inner join {{ ref('prediction_history') }} as history
        on
            scored_before.patient_id = history.patient_id
            and scored_before.prediction_window = history.prediction_window
            and scored_before.batch_id = history.batch_id

    inner join {{ ref('predictions') }} as predictions
        on
            scored_before.patient_id = predictions.patient_id
            and scored_before.prediction_window = predictions.prediction_window

    group by
        predictions.organization_id,
        predictions.prediction_window,
        history.risk_tier,
        predictions.risk_tier

)

select
    migration.*,
    expected.patient_count as expected_count

from {{ ref('tier_migration') }} as migration

full outer join expected
    on
        migration.organization_id = expected.organization_id
        and migration.prediction_window = expected.prediction_window
        and migration.previous_tier = expected.previous_tier
        and migration.risk_tier = expected.risk_tier

where migration.patient_count is distinct from coalesce(expected.patient_count, 0)
