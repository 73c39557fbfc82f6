with

current_loads as (

    select * from {{ ref('int_cohort_loads') }}

    where is_current

),

programmes as (

    select * from {{ ref('int_programmes') }}

),

windows as (

    select * from {{ ref('prediction_windows') }}

),

final as (

    select
        current_loads.organization_id,
        coalesce(programmes.programme_code, 'none') as programme_code,
        windows.prediction_window,
        programmes.first_enrolled_on,
        programmes.baseline_date,
        coalesce(programmes.enrolled_count, 0) as enrolled_count

    from current_loads

    left join programmes
        on current_loads.organization_id = programmes.organization_id

    cross join windows

)

select * from final
