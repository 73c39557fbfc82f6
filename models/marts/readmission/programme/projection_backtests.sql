with

loads as (

    select * from {{ ref('int_cohort_loads') }}

    where purpose = 'cohort' and load_id >= 0

),

windows as (

    select * from {{ ref('prediction_windows') }}

),

projections as (

    select * from {{ ref('int_past_projections') }}

),

populations as (

    select 'everybody' as population

    union all

    select 'target_list' as population

),

counted as (

    select
        projections.load_id,
        projections.prediction_window,
        populations.population,
        count(*) as scored_count,
        count(projections.has_event) as patient_count,
        count(*) filter (where projections.has_event) as observed_readmissions,
        sum(projections.risk_score) filter (
            where projections.has_event is not null
        ) as expected_readmissions,
        sum(projections.expected_savings) filter (
            where projections.has_event is not null
        ) as projected_savings

    from projections

    inner join populations
        on populations.population = 'everybody' or projections.is_positive_roi

    group by
        projections.load_id, projections.prediction_window, populations.population

),

filled as (

    select
        loads.load_id,
        windows.prediction_window,
        populations.population,
        loads.organization_id,
        loads.as_of_date,
        coalesce(counted.scored_count, 0) as scored_count,
        coalesce(counted.patient_count, 0) as patient_count,
        coalesce(counted.expected_readmissions, 0) as expected_readmissions,
        coalesce(counted.observed_readmissions, 0) as observed_readmissions,
        coalesce(counted.projected_savings, 0) as projected_savings

    from loads

    cross join windows

    cross join populations

    left join counted
        on
            loads.load_id = counted.load_id
            and windows.prediction_window = counted.prediction_window
            and populations.population = counted.population

),

-- Byar's interval of a Poisson count
ratios as (

    select
        *,
        observed_readmissions / nullif(expected_readmissions, 0) as observed_ratio,
        {{ byar_bound('observed_readmissions', -1) }}
        / nullif(expected_readmissions, 0) as observed_ratio_lower,
        {{ byar_bound('observed_readmissions', 1) }}
        / nullif(expected_readmissions, 0) as observed_ratio_upper

    from filled

),

final as (

    select
        load_id,
        prediction_window,
        population,
        organization_id,
        as_of_date,
        cast(date_trunc('month', as_of_date) as date) as score_month,
        case
            when scored_count = 0 then 'not_scored'
            when patient_count = 0 then 'no_outcomes_yet'
            else 'measured'
        end as status,
        scored_count,
        patient_count,
        expected_readmissions,
        observed_readmissions,
        observed_ratio,
        observed_ratio_lower,
        observed_ratio_upper,
        projected_savings,
        projected_savings * observed_ratio as supported_savings,
        projected_savings * observed_ratio_lower as supported_savings_lower,
        projected_savings * observed_ratio_upper as supported_savings_upper

    from ratios

)

select * from final
