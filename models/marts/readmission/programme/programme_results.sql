with

grid as (

    select * from {{ ref('int_programme_grid') }}

),

totals as (

    select * from {{ ref('int_programme_totals') }}

),

assigned as (

    select * from {{ ref('int_programme_contrasts') }}

    where analysis = 'assigned'

),

treated as (

    select * from {{ ref('int_programme_contrasts') }}

    where analysis = 'as_treated'

),

savings as (

    select * from {{ ref('int_programme_savings') }}

),

final as (

    select
        grid.organization_id,
        grid.programme_code,
        grid.prediction_window,
        case
            when grid.first_enrolled_on is null then 'no_enrolments'
            when totals.eligible_count is null then 'nobody_eligible'
            when totals.known_count = 0 then 'no_outcomes_yet'
            when assigned.effect is null then 'one_arm_only'
            else 'measured'
        end as status,
        grid.first_enrolled_on,
        grid.baseline_date,
        grid.enrolled_count as ever_enrolled_count,
        coalesce(totals.eligible_count, 0) as eligible_count,
        coalesce(totals.known_count, 0) as known_count,

        coalesce(assigned.exposed_count, 0) as treatment_count,
        coalesce(assigned.exposed_events, 0) as treatment_readmissions,
        assigned.exposed_rate as treatment_rate,
        coalesce(totals.treatment_enrolled_count, 0) as treatment_enrolled_count,
        coalesce(assigned.other_count, 0) as control_count,
        coalesce(assigned.other_events, 0) as control_readmissions,
        assigned.other_rate as control_rate,
        coalesce(totals.control_enrolled_count, 0) as control_enrolled_count,
        assigned.effect,
        assigned.effect_lower,
        assigned.effect_upper,
        case
            when assigned.effect_upper < 0 then 'fewer_readmissions'
            when assigned.effect_lower > 0 then 'more_readmissions'
            when assigned.effect is not null then 'no_effect_shown'
        end as finding,

        treated.effect as as_treated_effect,
        treated.effect_lower as as_treated_effect_lower,
        treated.effect_upper as as_treated_effect_upper,

        totals.enrolled_before_rate,
        treated.exposed_rate as enrolled_after_rate,
        treated.exposed_rate - totals.enrolled_before_rate as before_after_change,
        totals.control_before_rate,
        assigned.other_rate - totals.control_before_rate as control_change,
        'People are enrolled after a bad spell and get better without any programme '
        || '(regression to the mean): before_after_change is no effect. '
        || 'control_change came about with no programme at all.'
            as before_after_caution,

        coalesce(totals.intervention_cost, 0) as intervention_cost,
        coalesce(totals.projected_savings, 0) as projected_savings,
        100 * (totals.projected_savings - totals.intervention_cost)
        / nullif(totals.intervention_cost, 0) as projected_roi_percent,
        savings.measured_savings,
        savings.measured_savings_lower,
        savings.measured_savings_upper,
        100 * (savings.measured_savings - totals.intervention_cost)
        / nullif(totals.intervention_cost, 0) as measured_roi_percent,
        100 * (savings.measured_savings_lower - totals.intervention_cost)
        / nullif(totals.intervention_cost, 0) as measured_roi_percent_lower,
        100 * (savings.measured_savings_upper - totals.intervention_cost)
        / nullif(totals.intervention_cost, 0) as measured_roi_percent_upper

    from grid

    {% for part in ['totals', 'assigned', 'treated', 'savings'] %}
    left join {{ part }}
        on
            grid.organization_id = {{ part }}.organization_id
            and grid.programme_code = {{ part }}.programme_code
            and grid.prediction_window = {{ part }}.prediction_window

    {% endfor %}

)

select * from final
