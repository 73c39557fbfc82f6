-- What readers ask; measured by `python -m benchmarks.questions`, which reads it here.
-- In psql: \set organization 1, \set window '''30_day''', \set department
-- '''ENDOCRINOLOGY''', \set patient 17.

-- tier distribution of a window
select
    risk_tier,
    tier_name,
    patient_count,
    patient_percent
from marts.org_tier_summary
where organization_id = :organization and prediction_window = :window
order by risk_tier;

-- high risk per department
select
    department_name,
    sum(patient_count) as patient_count
from marts.high_risk_by_department
where organization_id = :organization and prediction_window = :window
group by department_name
order by patient_count desc, department_name;

-- target list, first page
select
    patient_uuid,
    patient_id,
    department_id,
    risk_score,
    risk_tier,
    expected_savings,
    intervention_cost,
    net_benefit,
    roi_category
from marts.positive_roi_patients
where
    organization_id = :organization
    and prediction_window = :window
    and not is_control
order by net_benefit desc, patient_id
limit 50;

-- diabetics of a department
select
    patients.patient_uuid,
    patients.patient_id,
    patients.age,
    features.complexity_index,
    features.annual_cost
from marts.patient_features as features
inner join marts.patients as patients on features.patient_id = patients.patient_id
where
    features.organization_id = :organization
    and features.department_id = (
        select departments.department_id from marts.departments as departments
        where departments.department_code = :department
    )
    and features.has_diabetes = 1
order by features.complexity_index desc, patients.patient_id
limit 50;

-- one patient's record
select * from marts.patients where patient_id = :patient;
select * from marts.predictions where patient_id = :patient order by prediction_window;
select * from marts.prediction_reasons
where patient_id = :patient
order by prediction_window, reason_rank;
select * from marts.financial_projections
where patient_id = :patient
order by prediction_window;
