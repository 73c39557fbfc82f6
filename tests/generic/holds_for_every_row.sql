{#-
    The expression is true for every row; null counts as false. Of a view the rows are made
    first (`offset 0` keeps PostgreSQL from inlining it): else a column that the expression
    names seven times is worked out seven times.
-#}
{% test holds_for_every_row(model, expression) %}

{% set views = graph.nodes.values()
    | selectattr("resource_type", "equalto", "model")
    | selectattr("config.materialized", "equalto", "view")
    | map(attribute="alias") | list if execute else [] %}

select * from (
    select * from {{ model }}{{ " offset 0" if model.identifier in views }}
) as made
where ({{ expression }}) is not true

{% endtest %}
