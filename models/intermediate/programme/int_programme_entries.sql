with

programmes as (

    select * from {{ ref('int_programmes') }}

),

projections as (

    select * from {{ ref('int_past_projections') }}

),

eligible as (

    select
        organization_id,
        load_id,
        as_of_date,
        patient_id

    from projections

    where is_positive_roi

    group by organization_id, load_id, as_of_date, patient_id

),

ranked as (

    select
        programmes.organization_id,
        programmes.programme_code,
        eligible.patient_id,
        eligible.load_id,
        row_number() over (
            partition by programmes.programme_code, eligible.patient_id
            order by eligible.as_of_date asc, eligible.load_id desc
        ) as place

    from programmes

    inner join eligible
        on
            programmes.organization_id = eligible.organization_id
            and programmes.baseline_date <= eligible.as_of_date

),

final as (

    select
        organization_id,
        programme_code,
        patient_id,
        load_id

    from ranked

    where place = 1

)

select * from final
