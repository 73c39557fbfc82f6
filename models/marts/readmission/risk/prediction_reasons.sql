-- A view, for there are nine of its rows to a patient; it reads marts alone, since
-- it reads them as whoever asks.
{{
    config(
        materialized='view',
        post_hook='{{ ask_as_reader() }}'
    )
}}

with

predictions as (

    select * from {{ ref('predictions') }}

),

words as (

    select * from {{ ref('reason_words') }}

),

reasons as (

    select
        predictions.organization_id,
        predictions.patient_id,
        predictions.prediction_window,
        ranked.reason_rank,
        ranked.feature_name,
        ranked.feature_value,
        ranked.contribution

    from predictions

    cross join lateral (
        values
        {% for rank in (1, 2, 3) %}
        (
            cast({{ rank }} as smallint),
            predictions.reason_{{ rank }},
            predictions.reason_{{ rank }}_value,
            predictions.reason_{{ rank }}_contribution
        ){{ "," if not loop.last }}
        {% endfor %}
    ) as ranked (reason_rank, feature_name, feature_value, contribution)

),

final as (

    select
        reasons.organization_id,
        reasons.patient_id,
        reasons.prediction_window,
        reasons.reason_rank,
        reasons.feature_name,
        reasons.feature_value,
        reasons.contribution,
        case
            when reasons.contribution > 0 then 'raises'
            when reasons.contribution < 0 then 'lowers'
            else 'neither'
        end as direction,
        {{ reason_text('reasons.feature_value', 'reasons.contribution', 'words') }}
            as reason_text

    from reasons

    inner join words on reasons.feature_name = words.feature_name

)

select * from final
