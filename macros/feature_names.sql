{#- Names of the 27 features in the model's order: the columns of `patient_features`. -#}
{% macro feature_names() %}
    {% set mart = model_node("patient_features") %}
    {% set names = mart.columns | list if mart else [] %}
    {% set keys = ["patient_id", "organization_id", "department_id", "index_date"] %}
    {% do return(names | reject("in", keys) | list) %}
{% endmacro %}
