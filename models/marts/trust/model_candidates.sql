with

candidates as (

    select * from {{ ref('int_model_candidates') }}

),

final as (

    select
        model_version,
        hazard,
        candidate,
        target,
        log_loss,
        log_loss_error,
        excess_log_loss,
        excess_log_loss_error,
        auroc,
        brier,
        is_additive,
        is_chosen

    from candidates

)

select * from final
