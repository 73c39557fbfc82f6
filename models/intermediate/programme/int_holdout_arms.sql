with

registry as (

    select * from {{ ref('patient_registry') }}

),

drawn as (

    select
        patient_id,
        {{ hash_share(
            "'" ~ var('holdout_salt') ~ ":' || cast(patient_uuid as "
            ~ dbt.type_string() ~ ")"
        ) }} as holdout_draw

    from registry

),

final as (

    select
        patient_id,
        holdout_draw,
        holdout_draw < {{ var('holdout_share') }} as is_control

    from drawn

)

select * from final
