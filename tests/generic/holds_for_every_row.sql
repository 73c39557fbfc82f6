{#-
    The expression is true for every row; null counts as false. Of a view the rows are made
    first (`offset 0` keeps PostgreSQL from inlining it): else a column that the expression
    names seven times is worked out seven times.
-#}
{% test holds_for_every_row(model, expression) %}

{% set node = model_node(model.identifier) %}

select * from (
    select * from {{ model }}{{ " offset 0" if node and node.config.materialized == "view" }}
) as made
where ({{ expression }}) is not true

{% endtest %}
