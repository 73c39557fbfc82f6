{{ config(materialized='table', post_hook='analyze {{ this }}') }}

{% call set_sql_header(config) %}
-- Nobody knows how many rows of a union belong to a load; PostgreSQL guesses a
-- two-hundredth, and would look a million people up one by one.
set local enable_nestloop = off;
{% endcall %}

with

identified as (

    select * from {{ ref('int_identified_people') }}

),

counted as (

    select
        *,
        cast(
            has_alzheimers + has_chf + has_ckd + has_cancer + has_copd
            + has_depression + has_diabetes + has_ischemic_heart + has_ra_oa
            + has_stroke as smallint
        ) as chronic_condition_count

    from identified

),

flagged as (

    select
        *,
        cast(case when age > 75 then 1 else 0 end as smallint) as is_elderly,
        cast(case when days_since_last_admission <= 90 then 1 else 0 end as smallint)
            as recent_admission,
        cast(case when total_outpatient_visits > 10 then 1 else 0 end as smallint)
            as high_outpatient_user,
        cast(case when cost_percentile > 0.75 then 1 else 0 end as smallint)
            as high_cost

    from counted

),

final as (

    select
        load_id,
        patient_id,
        organization_id,
        purpose,
        is_current,
        index_date,
        recorded_at,

        age,
        is_female,
        is_elderly,
        race_code,
        has_esrd,

        has_alzheimers,
        has_chf,
        has_ckd,
        has_cancer,
        has_copd,
        has_depression,
        has_diabetes,
        has_ischemic_heart,
        has_ra_oa,
        has_stroke,

        total_admissions,
        total_hospital_days,
        days_since_last_admission,
        recent_admission,
        total_outpatient_visits,
        high_outpatient_user,

        annual_cost,
        cost_percentile,
        high_cost,
        inpatient_cost,

        chronic_condition_count,
        0.4 * least(greatest((age - 65) / cast(30 as {{ type_double() }}), 0), 1)
        + 0.4 * chronic_condition_count / cast(10 as {{ type_double() }})
        + 0.2 * high_cost as frailty_score,
        -- 10 x (0.30 x conditions up to 5 / 5 + 0.35 x percentile
        --       + 0.35 x days up to 10 / 10), multiplied out
        0.6 * least(chronic_condition_count, 5)
        + 3.5 * cost_percentile
        + 0.35 * least(total_hospital_days, 10) as complexity_index

    from flagged

)

select * from final
