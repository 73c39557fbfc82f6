with

champions as (

    select * from {{ ref('stg_scoring__champions') }}

),

batches as (

    select * from {{ ref('stg_scoring__batches') }}

),

loads as (

    select * from {{ ref('int_cohort_loads') }}

    where is_current

),

training as (

    select * from {{ ref('stg_scoring__training_distribution') }}

),

counted as (

    select * from {{ ref('stg_scoring__batch_distribution') }}

),

latest as (

    select
        batches.model_version,
        counted.load_id,
        loads.organization_id,
        max(counted.batch_id) as batch_id

    from counted

    inner join batches on counted.batch_id = batches.batch_id

    inner join champions
        on
            batches.target = champions.target
            and batches.model_version = champions.model_version

    inner join loads on counted.load_id = loads.load_id

    group by batches.model_version, counted.load_id, loads.organization_id

),

final as (

    select
        latest.model_version,
        latest.organization_id,
        training.feature_name,
        training.bin,
        training.patient_count as training_count,
        counted.patient_count,
        latest.load_id,
        latest.batch_id

    from latest

    inner join training on latest.model_version = training.model_version

    inner join counted
        on
            latest.batch_id = counted.batch_id
            and latest.load_id = counted.load_id
            and training.feature_name = counted.feature_name
            and training.bin = counted.bin

    -- A bin that nobody was ever in says nothing.
    where training.patient_count + counted.patient_count > 0

)

select * from final
