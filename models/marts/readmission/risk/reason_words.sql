with

features as (

    select * from {{ ref('features') }}

),

races as (

    select * from {{ ref('races') }}

),

race_names as (

    select
        'race_code' as feature_name,
        {{ json_object('race_code', 'race') }} as code_names

    from races

),

final as (

    select
        features.feature_name,
        features.label,
        features.unit,
        features.reason_zero,
        features.reason_one,
        features.reason_many,
        features.reason_missing,
        race_names.code_names

    from features

    left join race_names on features.feature_name = race_names.feature_name

)

select * from final
