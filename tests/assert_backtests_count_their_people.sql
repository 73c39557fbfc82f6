-- Backtests have every cohort load, window and population, and count their people.

with

populations as (

    select 'everybody' as population

    union all

    select 'target_list' as population

),

expected as (

    select
        loads.load_id,
        windows.prediction_window,
        populations.population,
        loads.organization_id,
        loads.as_of_date,
        count(past.patient_id) as scored_count,
        count(past.has_event) as patient_count,
        sum(case when past.has_event then 1 else 0 end) as observed_readmissions,
        sum(case when past.has_event is null then 0 else past.risk_score end)
            as expected_readmissions,
        sum(case when past.has_event is null then 0 else past.expected_savings end)
            as projected_savings

    from {{ ref('int_cohort_loads') }} as loads

    cross join {{ ref('prediction_windows') }} as windows

    cross join populations

    left join {{ ref('int_past_projections') }} as past
        on
            loads.load_id = past.load_id
            and windows.prediction_window = past.prediction_window
            and (populations.population = 'everybody' or past.is_positive_roi)

    where loads.purpose = 'cohort' and loads.data_source <> 'NEW_PATIENT'

    group by
        loads.load_id,
        windows.prediction_window,
        populations.population,
        loads.organization_id,
        loads.as_of_date

)

select
    backtests.load_id,
    backtests.prediction_window,
    backtests.population,
    expected.load_id as expected_load_id

from {{ ref('projection_backtests') }} as backtests

full outer join expected
    on
        backtests.load_id = expected.load_id
        and backtests.prediction_window = expected.prediction_window
        and backtests.population = expected.population

where
    (
        backtests.organization_id = expected.organization_id
        and backtests.as_of_date = expected.as_of_date
        and backtests.score_month
        = backtests.as_of_date
        - cast(extract(day from backtests.as_of_date) as integer) + 1
        and backtests.scored_count = expected.scored_count
        and backtests.patient_count = expected.patient_count
        and backtests.observed_readmissions = expected.observed_readmissions
        and abs(backtests.expected_readmissions - expected.expected_readmissions)
        <= 1e-9 * greatest(1, expected.expected_readmissions)
        and abs(backtests.projected_savings - expected.projected_savings)
        <= 1e-9 * greatest(1, expected.projected_savings)
        and backtests.status = case
            when expected.scored_count = 0 then 'not_scored'
            when expected.patient_count = 0 then 'no_outcomes_yet'
            else 'measured'
        end
    ) is not true
    or (backtests.observed_ratio is null) <> (expected.expected_readmissions = 0)
    or (backtests.observed_ratio_lower is null) <> (backtests.observed_ratio is null)
    or (backtests.observed_ratio_upper is null) <> (backtests.observed_ratio is null)
    or abs(
        backtests.observed_ratio * expected.expected_readmissions
        - expected.observed_readmissions
    ) > 1e-6
    -- Byar's bounds are where the cube root of the count is so far off
    or abs(
        backtests.observed_ratio_lower * expected.expected_readmissions
        - greatest(expected.observed_readmissions, 0) * power(
            1 - 1 / (9.0 * greatest(expected.observed_readmissions, 1))
            - 1.959963984540054 / 3
            / sqrt(greatest(expected.observed_readmissions, 1)),
            3
        )
    ) > 1e-6
    or abs(
        backtests.observed_ratio_upper * expected.expected_readmissions
        - (expected.observed_readmissions + 1) * power(
            1 - 1 / (9.0 * (expected.observed_readmissions + 1))
            + 1.959963984540054 / 3
            / sqrt(expected.observed_readmissions + 1),
            3
        )
    ) > 1e-6
    or (backtests.supported_savings is null)
    <> (backtests.observed_ratio is null)
    or abs(
        backtests.supported_savings
        - backtests.projected_savings * backtests.observed_ratio
    ) > 1e-6 * greatest(1, backtests.projected_savings)
    or (backtests.supported_savings_lower is null)
    <> (backtests.observed_ratio_lower is null)
    or abs(
        backtests.supported_savings_lower
        - backtests.projected_savings * backtests.observed_ratio_lower
    ) > 1e-6 * greatest(1, backtests.projected_savings)
    or (backtests.supported_savings_upper is null)
    <> (backtests.observed_ratio_upper is null)
    or abs(
        backtests.supported_savings_upper
        - backtests.projected_savings * backtests.observed_ratio_upper
    ) > 1e-6 * greatest(1, backtests.projected_savings)
