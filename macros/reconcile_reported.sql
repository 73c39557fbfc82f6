{#-
    Rows whose file says another value of a derived column than the one feature
    definition does, each difference a row. `load_condition` picks the loads. One
    pass over the people finds who differs in anything; most files bring nothing.
-#}
{% macro reconcile_reported(load_condition) %}
    {% set derived = [
        "is_elderly", "recent_admission", "high_outpatient_user", "cost_percentile",
        "high_cost", "frailty_score", "complexity_index"
    ] %}
    {% set all_reported = "reported.reported_" ~ derived | join(", reported.reported_") %}
    with

    differing as (

        select features.*, {{ all_reported }}
        from {{ ref('int_patient_features') }} as features
        inner join {{ ref('int_reported_features') }} as reported
            on features.load_id = reported.load_id
            and features.patient_id = reported.patient_id
        where features.load_id {{ load_condition }}
            and coalesce({{ all_reported }}) is not null
            and ({{ _differs(derived) }})

    )

    {% for feature in derived %}
    select
        load_id, patient_id, '{{ feature }}' as feature_name,
        reported_{{ feature }} as reported_value, {{ feature }} as computed_value
    from differing
    where {{ _differs([feature]) }} {{ "union all" if not loop.last }}
    {% endfor %}
{% endmacro %}

{#- Beyond what files round; a column that the file left out differs in nothing. -#}
{% macro _differs(derived) -%}
    {% for feature in derived -%}
    abs(reported_{{ feature }} - {{ feature }}) > {{ var("reconcile_tolerance") }}
    {{- " or " if not loop.last }}
    {%- endfor %}
{%- endmacro %}
