-- The calendar leaves no day out.

with

counted as (

    select
        count(*) as day_count,
        count(distinct date_day) as distinct_day_count,
        min(date_day) as first_day,
        max(date_day) as last_day

    from {{ ref('calendar_days') }}

)

select * from counted

where
    (
        first_day = cast('2000-01-01' as date)
        and last_day = cast('2050-12-31' as date)
        and day_count = distinct_day_count
        -- 51 years, of which 13 are leap years
        and distinct_day_count = 51 * 365 + 13
    ) is not true
