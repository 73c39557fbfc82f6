{{ config(materialized='ephemeral') }}

with

sums as (

    select * from {{ ref('targeting_sums') }}

),

-- Apart, so that of most priorities one window alone is read.
window_sums as (

    select * from {{ ref('targeting_sums') }}

    where targeting_strategy = 'random'

),

-- Who does not look at each patient takes one window for all: where all net the most.
window_ranks as (

    select
        organization_id,
        prediction_window,
        row_number() over (
            partition by organization_id
            order by
                sum(total_expected_savings - total_intervention_cost) desc,
                prediction_window asc
        ) as window_rank

    from window_sums

    group by organization_id, prediction_window

),

priorities as (

    select
        sums.organization_id,
        sums.targeting_strategy,
        sums.priority_bin,
        sum(sums.new_patient_count) as patient_count,
        sum(sums.total_intervention_cost) as spend,
        sum(sums.total_expected_savings) as savings

    from sums

    inner join window_ranks
        on
            sums.organization_id = window_ranks.organization_id
            and sums.prediction_window = window_ranks.prediction_window

    where window_ranks.window_rank = 1 or sums.targeting_strategy = 'best'

    group by sums.organization_id, sums.targeting_strategy, sums.priority_bin

),

final as (

    select
        *,
        sum(patient_count) over before_and_this - patient_count as patients_before,
        sum(spend) over before_and_this - spend as spend_before,
        sum(savings) over before_and_this - savings as savings_before

    from priorities

    window
        before_and_this as (
            partition by organization_id, targeting_strategy order by priority_bin desc
        )

)

select * from final
