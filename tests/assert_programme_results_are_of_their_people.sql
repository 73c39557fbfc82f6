-- Results stand for every programme and window, and count its people: worked out from
-- them once more, row by row rather than through sums of sums. Their intervals and
-- measured savings are those of the steps before, and the words say what figures do.

with

counted as (

    select
        organization_id,
        programme_code,
        prediction_window,
        count(*) as eligible_count,
        count(has_event) as known_count,
        count(has_event) filter (where not is_control) as treatment_count,
        count(*) filter (where has_event and not is_control) as treatment_readmissions,
        count(has_event) filter (where is_enrolled and not is_control)
            as treatment_enrolled_count,
        count(has_event) filter (where is_control) as control_count,
        count(*) filter (where has_event and is_control) as control_readmissions,
        count(has_event) filter (where is_enrolled and is_control)
            as control_enrolled_count,
        avg(case when has_event then 1.0 else 0.0 end) filter (
            where is_enrolled and has_event is not null
        ) as enrolled_after_rate,
        avg(case when had_event_before then 1.0 else 0.0 end) filter (
            where is_enrolled and has_event is not null
        ) as enrolled_before_rate,
        avg(case when had_event_before then 1.0 else 0.0 end) filter (
            where is_control and has_event is not null
        ) as control_before_rate,
        avg(case when has_event then 1.0 else 0.0 end) filter (
            where not is_enrolled and has_event is not null
        ) as other_after_rate,
        sum(intervention_cost) filter (
            where is_enrolled and not is_control and has_event is not null
        ) as intervention_cost,
        sum(expected_savings) filter (
            where is_enrolled and not is_control and has_event is not null
        ) as projected_savings

    from {{ ref('int_programme_people') }}

    group by organization_id, programme_code, prediction_window

),

expected as (

    select
        grid.organization_id,
        grid.programme_code,
        grid.prediction_window,
        grid.first_enrolled_on,
        grid.baseline_date,
        grid.enrolled_count as ever_enrolled_count,
        {% for column in [
            'eligible_count', 'known_count', 'treatment_count',
            'treatment_readmissions',
            'treatment_enrolled_count', 'control_count', 'control_readmissions',
            'control_enrolled_count', 'intervention_cost', 'projected_savings'
        ] %}
        coalesce(counted.{{ column }}, 0) as {{ column }},
        {% endfor %}
        counted.enrolled_before_rate,
        counted.enrolled_after_rate,
        counted.control_before_rate,
        counted.other_after_rate

    from {{ ref('int_programme_grid') }} as grid

    left join counted
        on
            grid.organization_id = counted.organization_id
            and grid.programme_code = counted.programme_code
            and grid.prediction_window = counted.prediction_window

)

select
    results.organization_id,
    results.programme_code,
    expected.organization_id as expected_organization_id,
    expected.programme_code as expected_programme_code

from {{ ref('programme_results') }} as results

full outer join expected
    on
        results.organization_id = expected.organization_id
        and results.programme_code = expected.programme_code
        and results.prediction_window = expected.prediction_window

left join {{ ref('int_programme_contrasts') }} as assigned
    on
        expected.organization_id = assigned.organization_id
        and expected.programme_code = assigned.programme_code
        and expected.prediction_window = assigned.prediction_window
        and assigned.analysis = 'assigned'

left join {{ ref('int_programme_contrasts') }} as treated
    on
        expected.organization_id = treated.organization_id
        and expected.programme_code = treated.programme_code
        and expected.prediction_window = treated.prediction_window
        and treated.analysis = 'as_treated'

left join {{ ref('int_programme_savings') }} as savings
    on
        expected.organization_id = savings.organization_id
        and expected.programme_code = savings.programme_code
        and expected.prediction_window = savings.prediction_window

where
    results.organization_id is null
    or expected.organization_id is null
    or results.status <> case
        when expected.first_enrolled_on is null then 'no_enrolments'
        when expected.eligible_count = 0 then 'nobody_eligible'
        when expected.known_count = 0 then 'no_outcomes_yet'
        when expected.treatment_count = 0 or expected.control_count = 0
            then 'one_arm_only'
        else 'measured'
    end
    or results.finding is distinct from case
        when results.effect_upper < 0 then 'fewer_readmissions'
        when results.effect_lower > 0 then 'more_readmissions'
        when results.effect is not null then 'no_effect_shown'
    end
    or (results.status = 'no_enrolments') <> (results.programme_code = 'none')
    {% for column in [
        'first_enrolled_on', 'baseline_date', 'ever_enrolled_count', 'eligible_count',
        'known_count', 'treatment_count', 'treatment_readmissions',
        'treatment_enrolled_count', 'control_count', 'control_readmissions',
        'control_enrolled_count'
    ] %}
    or results.{{ column }} is distinct from expected.{{ column }}
    {% endfor %}
    {% for column, value in {
        'intervention_cost': 'expected.intervention_cost',
        'projected_savings': 'expected.projected_savings',
        'enrolled_before_rate': 'expected.enrolled_before_rate',
        'enrolled_after_rate': 'expected.enrolled_after_rate',
        'control_before_rate': 'expected.control_before_rate',
        'before_after_change':
            '(expected.enrolled_after_rate - expected.enrolled_before_rate)',
        'control_change': '(results.control_rate - expected.control_before_rate)',
        'as_treated_effect':
            '(expected.enrolled_after_rate - expected.other_after_rate)',
        'treatment_rate':
            '(1.0 * expected.treatment_readmissions'
            ~ ' / nullif(expected.treatment_count, 0))',
        'control_rate':
            '(1.0 * expected.control_readmissions'
            ~ ' / nullif(expected.control_count, 0))',
        'effect': '(results.treatment_rate - results.control_rate)',
        'effect_lower': 'assigned.effect_lower',
        'effect_upper': 'assigned.effect_upper',
        'as_treated_effect_lower': 'treated.effect_lower',
        'as_treated_effect_upper': 'treated.effect_upper',
        'measured_savings': 'savings.measured_savings',
        'measured_savings_lower': 'savings.measured_savings_lower',
        'measured_savings_upper': 'savings.measured_savings_upper',
        'projected_roi_percent':
            '(100 * (results.projected_savings / nullif(results.intervention_cost, 0)'
            ~ ' - 1))',
        'measured_roi_percent':
            '(100 * (results.measured_savings / nullif(results.intervention_cost, 0)'
            ~ ' - 1))',
        'measured_roi_percent_lower':
            '(100 * (results.measured_savings_lower'
            ~ ' / nullif(results.intervention_cost, 0) - 1))',
        'measured_roi_percent_upper':
            '(100 * (results.measured_savings_upper'
            ~ ' / nullif(results.intervention_cost, 0) - 1))'
    }.items() %}
    or (results.{{ column }} is null) <> ({{ value }} is null)
    or abs(results.{{ column }} - {{ value }})
    > 1e-6 * greatest(1, abs({{ value }}))
    {% endfor %}
