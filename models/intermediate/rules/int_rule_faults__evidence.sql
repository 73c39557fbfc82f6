with

evidence as (

    select * from {{ ref('intervention_evidence') }}

),

row_faults as (

    select
        'evidence_id ' || coalesce(cast(evidence_id as varchar(20)), '(empty)')
            as seed_row,
        case
            when trim(coalesce(citation, '')) = ''
                then
                    'no citation of ' || coalesce(programme, '(no programme)')
                    || ', expected where its figures were published'
            when trim(coalesce(programme, '')) = '' then 'no programme'
            when
                coalesce(verdict, '') not in (
                    'no effect',
                    'not significant',
                    'saving',
                    'misleading',
                    'price',
                    'context'
                )
                then
                    'verdict ' || coalesce(verdict, '(empty)')
                    || ', expected no effect, not significant, saving, misleading,'
                    || ' price or context'
            when effect_low > effect or effect > effect_high
                then 'the effect is outside its interval'
        end as problem

    from evidence

),

repeated as (

    select
        'evidence_id ' || evidence_id as seed_row,
        'given ' || count(*) || ' times, expected once' as problem

    from evidence

    group by evidence_id

    having count(*) > 1

),

one_sided as (

    select
        'all rows' as seed_row,
        'no study without an effect, expected trials that found none as well'
            as problem

    from evidence

    having count(*) filter (where verdict = 'no effect') = 0

),

final as (

    select
        'intervention_evidence' as seed,
        seed_row,
        problem

    from (
        select * from row_faults
        union all
        select * from repeated
        union all
        select * from one_sided
    ) as faults

    where problem is not null

)

select * from final
