with

features as (

    select * from {{ ref('int_patient_features') }}

),

final as (

    select
        patient_id,
        organization_id

    from features

    where is_current

)

select * from final
