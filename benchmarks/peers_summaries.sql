-- The five summaries and the target list, for whoever has the rest in tables:
-- features, predictions, projections, and the small ones of the rules. Runs on
-- PostgreSQL and on DuckDB; {materialized} is `table` or `materialized view`.

create {materialized} positive_roi_patients as
select
    projections.patient_id,
    projections.window_days,
    features.department_id,
    predictions.risk_score,
    projections.risk_tier,
    projections.expected_savings,
    projections.intervention_cost,
    projections.net_benefit,
    projections.roi_percent,
    projections.roi_category
from projections
inner join predictions
    on
        projections.patient_id = predictions.patient_id
        and projections.window_days = predictions.window_days
inner join features on projections.patient_id = features.patient_id
where projections.net_benefit > 0;

create {materialized} dept_risk_distribution as
with counted as (
    select
        predictions.window_days,
        features.department_id,
        predictions.risk_tier,
        count(*) as patient_count,
        avg(predictions.risk_score) as average_risk_score
    from predictions
    inner join features on predictions.patient_id = features.patient_id
    group by predictions.window_days, features.department_id, predictions.risk_tier
),

cells as (
    select
        windows.window_days,
        departments.department_id,
        tiers.risk_tier,
        coalesce(counted.patient_count, 0) as patient_count,
        counted.average_risk_score
    from windows
    cross join departments
    cross join tiers
    left join counted
        on
            windows.window_days = counted.window_days
            and departments.department_id = counted.department_id
            and tiers.risk_tier = counted.risk_tier
)

select
    window_days,
    department_id,
    risk_tier,
    patient_count,
    100 * cast(patient_count as double precision)
    / sum(patient_count) over (partition by window_days) as organization_percent,
    coalesce(
        100 * cast(patient_count as double precision)
        / nullif(
            sum(patient_count) over (partition by window_days, department_id), 0
        ),
        0
    ) as department_percent,
    average_risk_score
from cells;

create {materialized} org_tier_summary as
with counted as (
    select
        window_days,
        risk_tier,
        sum(patient_count) as patient_count
    from dept_risk_distribution
    group by window_days, risk_tier
)

select
    window_days,
    risk_tier,
    patient_count,
    100 * cast(patient_count as double precision)
    / sum(patient_count) over (partition by window_days) as patient_percent
from counted;

create {materialized} roi_by_department as
with summed as (
    select
        projections.window_days,
        features.department_id,
        count(*) as patient_count,
        avg(projections.roi_percent) as average_roi_percent,
        count(*) filter (where projections.net_benefit > 0) as positive_roi_count,
        count(*) filter (where projections.roi_category = 'EXCELLENT')
            as excellent_roi_count,
        sum(projections.intervention_cost) as total_intervention_cost,
        sum(projections.expected_savings) as total_expected_savings,
        sum(projections.net_benefit) as total_net_benefit
    from projections
    inner join features on projections.patient_id = features.patient_id
    group by projections.window_days, features.department_id
)

select
    windows.window_days,
    departments.department_id,
    coalesce(summed.patient_count, 0) as patient_count,
    summed.average_roi_percent,
    coalesce(summed.positive_roi_count, 0) as positive_roi_count,
    coalesce(summed.excellent_roi_count, 0) as excellent_roi_count,
    coalesce(summed.total_intervention_cost, 0) as total_intervention_cost,
    coalesce(summed.total_expected_savings, 0) as total_expected_savings,
    coalesce(summed.total_net_benefit, 0) as total_net_benefit
from windows
cross join departments
left join summed
    on
        windows.window_days = summed.window_days
        and departments.department_id = summed.department_id;

create {materialized} roi_aggregations as
select
    window_days,
    sum(patient_count) as patient_count,
    sum(average_roi_percent * patient_count) / sum(patient_count)
        as average_roi_percent,
    sum(positive_roi_count) as positive_roi_count,
    sum(excellent_roi_count) as excellent_roi_count,
    sum(total_intervention_cost) as total_intervention_cost,
    sum(total_expected_savings) as total_expected_savings,
    sum(total_net_benefit) as total_net_benefit
from roi_by_department
group by window_days;
