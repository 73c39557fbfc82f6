{#-
    The constraints that a model's YAML declares, as a list of
    {name, definition, to}: `definition` is what follows `add constraint <name>`,
    `to` is the parent's relation where it is a foreign key.
-#}
{% macro declared_keys(node) %}
    {% set table = node.alias %}
    {% set keys = [] %}
    {% for constraint in node.constraints %}
        {% set columns = constraint.columns | join(", ") %}
        {% if constraint.type == "primary_key" %}
            {% do keys.append({
                "name": table ~ "_pkey",
                "definition": "primary key (" ~ columns ~ ")",
                "to": none,
            }) %}
        {% elif constraint.type == "unique" %}
            {% do keys.append({
                "name": table ~ "_" ~ (constraint.columns | join("_")) ~ "_key",
                "definition": "unique (" ~ columns ~ ")",
                "to": none,
            }) %}
        {% elif constraint.type == "foreign_key" %}
            {% do keys.append({
                "name": table ~ "_" ~ (constraint.columns | join("_")) ~ "_fkey",
                "definition": "foreign key (" ~ columns ~ ") references "
                    ~ constraint.to ~ " (" ~ (constraint.to_columns | join(", ")) ~ ")",
                "to": constraint.to,
            }) %}
        {% elif constraint.type == "check" %}
            {% do keys.append({
                "name": table ~ "_" ~ constraint.name ~ "_check",
                "definition": "check (" ~ constraint.expression ~ ")",
                "to": none,
            }) %}
        {% else %}
            {% do exceptions.raise_compiler_error(
                node.name ~ ": constraint type '" ~ constraint.type ~ "' is not one that we attach"
            ) %}
        {% endif %}
    {% endfor %}
    {% do return(keys) %}
{% endmacro %}
