with

entries as (

    select * from {{ ref('int_programme_entries') }}

),

cohort_rules as (

    select * from {{ ref('int_cohort_rules') }}

),

registry as (

    select * from {{ ref('patient_registry') }}

),

-- the same in every tier and window of a cohort
draws as (

    select
        load_id,
        min(holdout_salt) as holdout_salt,
        min(holdout_share) as holdout_share

    from cohort_rules

    group by load_id

),

drawn as (

    select
        entries.programme_code,
        entries.patient_id,
        draws.holdout_share,
        {{ hash_share(
            "draws.holdout_salt || ':' || cast(registry.patient_uuid as "
            ~ dbt.type_string() ~ ")"
        ) }} as holdout_draw

    from entries

    inner join draws on entries.load_id = draws.load_id

    inner join registry on entries.patient_id = registry.patient_id

),

final as (

    select
        programme_code,
        patient_id,
        holdout_draw < holdout_share as is_control

    from drawn

)

select * from final
