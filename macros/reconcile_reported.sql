{#-
    Rows whose file says another value of a derived column than the one feature
    definition does, each difference a row. `load_condition` picks the loads.
-#}
{% macro reconcile_reported(load_condition) %}
    {% for feature in [
        "is_elderly", "recent_admission", "high_outpatient_user", "cost_percentile",
        "high_cost", "frailty_score", "complexity_index"
    ] %}
    select
        features.load_id,
        features.patient_id,
        '{{ feature }}' as feature_name,
        reported.reported_{{ feature }} as reported_value,
        features.{{ feature }} as computed_value

    from {{ ref('int_patient_features') }} as features

    inner join {{ ref('int_reported_features') }} as reported
        on
            features.load_id = reported.load_id
            and features.patient_id = reported.patient_id

    where
        abs(reported.reported_{{ feature }} - features.{{ feature }})
        > {{ var("reconcile_tolerance") }}
        and features.load_id {{ load_condition }}
    {{ "union all" if not loop.last }}
    {% endfor %}
{% endmacro %}
