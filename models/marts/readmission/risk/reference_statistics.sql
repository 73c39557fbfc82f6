with

statistics as (

    select * from {{ ref('int_reference_statistics') }}

),

final as (

    select
        organization_id,
        feature_name,
        data_source,
        patient_count,
        missing_share,
        mean,
        standard_deviation,
        first_quartile,
        median,
        third_quartile

    from statistics

)

select * from final
