-- Candidates unfolded from the registry: which there were, and which was chosen.

with

models as (

    select * from {{ ref('stg_scoring__models') }}

),

unfolded as (

    select
        models.model_version,
        models.target,
        hazard.key as hazard,
        candidate.key as candidate,
        candidate.value as figures,
        models.chosen_candidates ->> hazard.key as chosen_candidate

    from models

    cross join lateral {{ json_pairs('models.candidates') }} as hazard

    cross join lateral {{ json_pairs('hazard.value') }} as candidate

),

final as (

    select
        model_version,
        hazard,
        candidate,
        target,
        cast(figures ->> 'log_loss' as {{ type_double() }}) as log_loss,
        cast(figures ->> 'se' as {{ type_double() }}) as log_loss_error,
        cast(figures ->> 'excess' as {{ type_double() }}) as excess_log_loss,
        cast(figures ->> 'excess_se' as {{ type_double() }})
            as excess_log_loss_error,
        cast(figures ->> 'auroc' as {{ type_double() }}) as auroc,
        cast(figures ->> 'brier' as {{ type_double() }}) as brier,
        cast(figures ->> 'is_additive' as boolean) as is_additive,
        coalesce(candidate = chosen_candidate, false) as is_chosen

    from unfolded

)

select * from final
