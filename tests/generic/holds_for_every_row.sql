{#- The expression is true for every row; null counts as false. -#}
{% test holds_for_every_row(model, expression) %}

select * from {{ model }} where ({{ expression }}) is not true

{% endtest %}
