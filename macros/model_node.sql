{#- A model of the graph by the name of its relation; none while dbt only reads. -#}
{% macro model_node(alias) %}
    {% do return(graph.nodes.values()
        | selectattr("resource_type", "equalto", "model")
        | selectattr("alias", "equalto", alias)
        | first | default(none) if execute else none) %}
{% endmacro %}
