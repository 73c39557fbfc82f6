{{ config(alias='intervention_evidence') }}

with

evidence as (

    select * from {{ ref('intervention_evidence') }}

),

final as (

    select
        evidence_id,
        programme,
        measure,
        unit,
        effect,
        effect_low,
        effect_high,
        treated_value,
        comparison_value,
        cost_usd,
        savings_usd,
        population,
        participant_count,
        design,
        verdict,
        citation,
        note

    from evidence

)

select * from final
