{#-
    Post-hook of every mart: grants it to the roles that its `readers` names, without
    the columns that are `withheld_from` them. Publication carries that to the name.
    Only on what is about to be published: nobody reads an engineer's own schemas.
-#}
{% macro grant_readers() %}
    {% if not execute or target.schema != "candidate" or not rows_are_protected() %}
        {% do return("") %}
    {% endif %}
    {# Whoever takes a patient in answers from the marts. #}
    {% set grants = ["grant select on " ~ this ~ " to riskmart_intake"] %}
    {% for reader in model.config.meta.get("readers", []) %}
        {% set columns = [] %}
        {% for column in model.columns.values()
            if reader not in column.config.get("meta", {}).get("withheld_from", []) %}
            {% do columns.append(column.name) %}
        {% endfor %}
        {% set is_whole = columns | length == model.columns | length %}
        {% do grants.append(
            "grant select" ~ (" (" ~ columns | join(", ") ~ ")" if not is_whole)
            ~ " on " ~ this ~ " to riskmart_" ~ reader
        ) %}
    {% endfor %}
    {% do run_query(grants | join("; ")) %}
{% endmacro %}
