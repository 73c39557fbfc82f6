-- Gate: in every window the model in force has a lower log loss than the event rate
-- alone, the number of conditions alone and the cost percentile alone, all fitted on
-- the training rows. What cannot be compared has not been beaten.

with

evaluations as (

    select * from {{ ref('int_gated_evaluations') }}

),

metrics as (

    select * from {{ ref('int_evaluation_metrics') }}

    where group_name = 'all'

),

naive_models as (

    select *
    from
        (
            values
            ('log_loss_prevalence'),
            ('log_loss_condition_count'),
            ('log_loss_cost_percentile')
        ) as naive_metrics (metric)

)

select
    evaluations.model_version,
    windows.prediction_window,
    naive_models.metric,
    own.value as log_loss,
    other.value as naive_log_loss

from evaluations

cross join {{ ref('prediction_windows') }} as windows

cross join naive_models

left join metrics as own
    on
        evaluations.evaluation_id = own.evaluation_id
        and windows.prediction_window = own.prediction_window
        and own.metric = 'log_loss'

left join metrics as other
    on
        evaluations.evaluation_id = other.evaluation_id
        and windows.prediction_window = other.prediction_window
        and naive_models.metric = other.metric

where (own.value < other.value) is not true
