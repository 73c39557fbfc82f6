{#- Names of the 27 features in the model's order: the columns of `patient_features`. -#}
{% macro feature_names() %}
    {% set mart = graph.nodes.values()
        | selectattr("resource_type", "equalto", "model")
        | selectattr("alias", "equalto", "patient_features")
        | first if execute else none %}
    {% set names = mart.columns | list if mart else [] %}
    {% do return(names | reject("in", _not_features()) | list) %}
{% endmacro %}

{% macro _not_features() %}
    {% do return(["patient_id", "organization_id", "department_id", "index_date"]) %}
{% endmacro %}
