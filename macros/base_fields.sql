{#-
    The 20 base fields that every source brings, as a select list with one type
    each, so that the sources can be put under each other.
-#}
{% macro base_fields() -%}
    cast(age as smallint) as age,
    cast(is_female as smallint) as is_female,
    cast(race_code as smallint) as race_code,
    cast(has_esrd as smallint) as has_esrd,
    cast(has_alzheimers as smallint) as has_alzheimers,
    cast(has_chf as smallint) as has_chf,
    cast(has_ckd as smallint) as has_ckd,
    cast(has_cancer as smallint) as has_cancer,
    cast(has_copd as smallint) as has_copd,
    cast(has_depression as smallint) as has_depression,
    cast(has_diabetes as smallint) as has_diabetes,
    cast(has_ischemic_heart as smallint) as has_ischemic_heart,
    cast(has_ra_oa as smallint) as has_ra_oa,
    cast(has_stroke as smallint) as has_stroke,
    cast(total_admissions as integer) as total_admissions,
    cast(total_hospital_days as integer) as total_hospital_days,
    cast(days_since_last_admission as integer) as days_since_last_admission,
    cast(total_outpatient_visits as integer) as total_outpatient_visits,
    cast(annual_cost as {{ type_double() }}) as annual_cost,
    cast(inpatient_cost as {{ type_double() }}) as inpatient_cost
{%- endmacro %}
