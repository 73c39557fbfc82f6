with

loads as (

    select * from {{ ref('int_cohort_loads') }}

),

beneficiaries as (

    select * from {{ ref('stg_cms__beneficiaries') }}

),

inpatient_use as (

    select * from {{ ref('int_cms_inpatient_use') }}

),

outpatient_use as (

    select * from {{ ref('int_cms_outpatient_use') }}

),

living as (

    select
        beneficiaries.*,
        loads.as_of_date

    from beneficiaries

    inner join loads on beneficiaries.load_id = loads.load_id

    where
        beneficiaries.death_date is null
        or beneficiaries.death_date > loads.as_of_date

),

final as (

    select
        living.load_id,
        living.external_id,
        {{ age_in_years('living.birth_date', 'living.as_of_date') }} as age,
        living.is_female,
        living.race_code,
        living.has_esrd,
        living.has_alzheimers,
        living.has_chf,
        living.has_ckd,
        living.has_cancer,
        living.has_copd,
        living.has_depression,
        living.has_diabetes,
        living.has_ischemic_heart,
        living.has_ra_oa,
        living.has_stroke,
        coalesce(inpatient_use.total_admissions, 0) as total_admissions,
        coalesce(inpatient_use.total_hospital_days, 0) as total_hospital_days,
        {{ dbt.datediff(
            'inpatient_use.last_admission_date', 'living.as_of_date', 'day'
        ) }}
            as days_since_last_admission,
        coalesce(outpatient_use.total_outpatient_visits, 0) as total_outpatient_visits,
        greatest(
            living.inpatient_reimbursement + living.inpatient_beneficiary_share
            + living.outpatient_reimbursement + living.carrier_reimbursement,
            0
        ) as annual_cost,
        greatest(
            living.inpatient_reimbursement + living.inpatient_beneficiary_share, 0
        ) as inpatient_cost

    from living

    left join inpatient_use
        on
            living.load_id = inpatient_use.load_id
            and living.external_id = inpatient_use.external_id

    left join outpatient_use
        on
            living.load_id = outpatient_use.load_id
            and living.external_id = outpatient_use.external_id

)

select * from final
