with

published as (

    select * from {{ ref('dept_risk_distribution_suppressed') }}

),

roi_sums as (

    select * from {{ ref('roi_sums') }}

),

added as (

    select
        organization_id,
        prediction_window,
        department_id,
        department_code,
        department_name,
        cast(sum(patient_count) as {{ dbt.type_bigint() }}) as patient_count

    from published

    group by
        organization_id,
        prediction_window,
        department_id,
        department_code,
        department_name

),

rounded as (

    select
        added.*,
        {{ published_count('roi_sums.positive_roi_count') }} as positive_roi_count,
        {{ published_count('roi_sums.excellent_roi_count') }} as excellent_roi_count

    from added

    left join roi_sums
        on
            added.organization_id = roi_sums.organization_id
            and added.prediction_window = roi_sums.prediction_window
            and added.department_id = roi_sums.department_id

),

-- Never more than the department shows: the rest would be people whom it hides.
final as (

    select
        organization_id,
        prediction_window,
        department_id,
        department_code,
        department_name,
        patient_count,
        case
            when positive_roi_count <= patient_count then positive_roi_count
            when positive_roi_count > patient_count then patient_count
        end as positive_roi_count,
        case
            when excellent_roi_count <= patient_count then excellent_roi_count
            when excellent_roi_count > patient_count then patient_count
        end as excellent_roi_count

    from rounded

)

select * from final
