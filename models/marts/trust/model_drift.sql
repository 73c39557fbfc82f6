with

shifts as (

    select * from {{ ref('int_distribution_shifts') }}

),

final as (

    select
        model_version,
        organization_id,
        feature_name,
        psi,
        chance_psi,
        case
            when psi >= {{ var('drift_psi_warning') }} then 'large'
            when psi >= {{ var('drift_psi_moderate') }} then 'moderate'
            else 'stable'
        end as drift_level,
        psi > chance_psi as is_beyond_chance,
        bin_count,
        training_count,
        patient_count,
        batch_id

    from shifts

)

select * from final
