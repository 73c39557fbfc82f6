-- The work by hand in DuckDB, with tables that stay in one file; two steps, between
-- which Python scores. {people}, {department} and so on are filled in from the rules.

create table features as
with costs as (
    select
        annual_cost,
        sum(count(*)) over (order by annual_cost) / sum(count(*)) over ()
            as cost_percentile
    from read_parquet('{people}')
    group by annual_cost
),

-- in a file, 999 days mean none on record
recorded as (
    select * replace (
        nullif(days_since_last_admission, {none}) as days_since_last_admission
    )
    from read_parquet('{people}', file_row_number = true)
),

people as (
    select
        people.file_row_number + 1 as patient_id,
        people.external_id,
        {base_columns},
        {conditions} as conditions,
        cast(age > 75 as smallint) as is_elderly,
        cast(coalesce(days_since_last_admission <= 90, false) as smallint)
            as recent_admission,
        cast(total_outpatient_visits > 10 as smallint) as high_outpatient_user,
        cast(costs.cost_percentile as double) as cost_percentile,
        cast(costs.cost_percentile > 0.75 as smallint) as high_cost
    from recorded as people
    inner join costs using (annual_cost)
),

derived as (
    select
        *,
        0.4::double * greatest(0, least(1, (age - 65) / 30::double))
        + 0.4::double * conditions / 10 + 0.2::double * high_cost as frailty_score,
        0.6::double * least(conditions, 5) + 3.5::double * cost_percentile
        + 0.35::double * least(total_hospital_days, 10) as complexity_index
    from people
)

select
    * exclude (conditions),
    cast({department} as smallint) as department_id
from derived;

create table projections as
with windowed as (
    select
        predictions.patient_id,
        predictions.window_days,
        predictions.risk_tier,
        rates.success_rate,
        rates.intervention_cost,
        features.annual_cost / 365 * predictions.window_days as window_cost
    from predictions
    inner join features using (patient_id)
    inner join rates using (risk_tier, window_days)
),

saved as (
    select
        *,
        {share}::double * window_cost as addressable_cost,
        {share}::double * window_cost * success_rate as expected_savings
    from windowed
),

returned as (
    select
        *,
        expected_savings - intervention_cost as net_benefit,
        100 * (expected_savings - intervention_cost) / intervention_cost as roi_percent
    from saved
)

select
    *,
    {category} as roi_category
from returned;
