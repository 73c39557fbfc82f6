{#-
    What the YAML says of a model and its columns, as comments, by one statement. dbt's own
    asks twice for the columns that are there: half of what a small build asks altogether.
    A column that is described and not there is an error here.
-#}
{% macro default__persist_docs(relation, model, for_relation, for_columns) %}
    {% set quote = "$riskmart_comment$" %}
    {% set comments = [] %}
    {% if for_relation and config.persist_relation_docs() and model.description %}
        {% do comments.append(
            relation.type ~ " " ~ relation ~ " is " ~ quote ~ model.description ~ quote
        ) %}
    {% endif %}
    {% if for_columns and config.persist_column_docs() %}
        {% for column in model.columns.values() if column.description %}
            {% do comments.append(
                "column " ~ relation ~ "." ~ column.name ~ " is " ~ quote
                ~ column.description ~ quote
            ) %}
        {% endfor %}
    {% endif %}
    {% if comments %}
        {% do run_query("comment on " ~ comments | join(";\ncomment on ")) %}
    {% endif %}
{% endmacro %}
