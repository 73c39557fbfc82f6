-- A view, so that whoever is among the patients is in it; it reads marts alone, since
-- it reads them as whoever asks.
{{
    config(
        materialized='view',
        post_hook='{{ ask_as_reader() }}'
    )
}}

with

reference_statistics as (

    select * from {{ ref('reference_statistics') }}

),

patients as (

    select * from {{ ref('patients') }}

),

features as (

    select * from {{ ref('patient_features') }}

),

new_people as (

    select features.*

    from patients

    inner join features on patients.patient_id = features.patient_id

    where patients.data_source = 'NEW_PATIENT'

),

new_statistics as (

    {{ feature_statistics('new_people', by='organization_id') }}

),

compared as (

    select
        new_statistics.*,
        (new_statistics.mean - reference_statistics.mean)
        / nullif(
            sqrt(
                (
                    power(new_statistics.standard_deviation, 2)
                    + power(reference_statistics.standard_deviation, 2)
                ) / 2
            ),
            0
        ) as standardised_difference

    from new_statistics

    inner join reference_statistics
        on
            new_statistics.organization_id = reference_statistics.organization_id
            and new_statistics.feature_name = reference_statistics.feature_name

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
        third_quartile,
        cast(null as {{ type_double() }}) as standardised_difference

    from reference_statistics

    union all

    select
        organization_id,
        feature_name,
        'NEW_PATIENT' as data_source,
        patient_count,
        missing_share,
        mean,
        standard_deviation,
        first_quartile,
        median,
        third_quartile,
        standardised_difference

    from compared

)

select * from final
