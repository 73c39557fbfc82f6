{% set measures = [
    "patient_count", "positive_roi_count", "excellent_roi_count",
    "average_roi_percent", "total_intervention_cost", "total_expected_savings",
    "total_net_benefit"
] %}

-- Departments and organizations sum up the projections of their own patients. An
-- organization as a whole is department 0 here.

with

projected as (

    select
        projections.organization_id,
        projections.prediction_window,
        coalesce(patients.department_id, 0) as department_id,
        count(*) as patient_count,
        count(*) filter (where projections.roi_percent > 0) as positive_roi_count,
        count(*) filter (where projections.roi_category = 'EXCELLENT')
            as excellent_roi_count,
        avg(projections.roi_percent) as average_roi_percent,
        sum(projections.intervention_cost) as total_intervention_cost,
        sum(projections.expected_savings) as total_expected_savings,
        sum(projections.net_benefit) as total_net_benefit

    from {{ ref('financial_projections') }} as projections

    left join {{ ref('patients') }} as patients
        on projections.patient_id = patients.patient_id

    group by grouping sets (
        (
            projections.organization_id,
            projections.prediction_window,
            patients.department_id
        ),
        (projections.organization_id, projections.prediction_window)
    )

),

shown as (

    select
        organization_id,
        prediction_window,
        department_id,
        {{ measures | join(",\n        ") }}
    from {{ ref('roi_by_department') }}

    union all

    select
        organization_id,
        prediction_window,
        0 as department_id,
        {{ measures | join(",\n        ") }}
    from {{ ref('roi_aggregations') }}

)

select
    {%- for measure in measures %}
    projected.{{ measure }} as projected_{{ measure }},
    {%- endfor %}
    shown.*

from shown

full outer join projected
    on
        shown.organization_id = projected.organization_id
        and shown.prediction_window = projected.prediction_window
        and shown.department_id = projected.department_id

where
    shown.organization_id is null
    or (shown.average_roi_percent is null) <> (projected.patient_count is null)
    {%- for measure in measures %}
    or abs(coalesce(shown.{{ measure }}, 0) - coalesce(projected.{{ measure }}, 0))
    > 1e-9 * greatest(1, shown.total_expected_savings + shown.total_intervention_cost)
    {%- endfor %}
