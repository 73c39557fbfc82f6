{#- What a return is uncertain by: columns of roi_scenarios, and what projections use. -#}
{% macro scenario_factors() %}
    {% do return({
        "addressable_share": var("addressable_share"),
        "success_multiplier": 1,
        "cost_inflation": 1,
    }) %}
{% endmacro %}
