{#-
    The constraints that a model's YAML declares, as a list of
    {name, definition, to}: `definition` is what follows `add constraint <name>`,
    `to` is the parent's relation where it is a foreign key.
-#}
{% macro declared_keys(node) %}
    {% set keys = [] %}
    {% for constraint in node.constraints %}
        {% set parent = foreign_key_parent(constraint) %}
        {% set columns = " (" ~ constraint.columns | join(", ") ~ ")" %}
        {% set stem = constraint.columns | join("_") %}
        {% set parent_columns = " (" ~ (constraint.to_columns or []) | join(", ") ~ ")" %}
        {% set known = {
            "primary_key": ("pkey", "primary key" ~ columns),
            "unique": (stem ~ "_key", "unique" ~ columns),
            "foreign_key": (
                stem ~ "_fkey",
                "foreign key" ~ columns ~ " references " ~ parent ~ parent_columns
            ),
            "check": (constraint.name ~ "_check", "check (" ~ constraint.expression ~ ")"),
        } %}
        {% set kind = constraint.type | string %}
        {% if kind not in known %}
            {% do exceptions.raise_compiler_error(node.name ~ ": we attach no " ~ kind) %}
        {% endif %}
        {% set name, definition = known[kind] %}
        {% do keys.append({
            "name": node.alias ~ "_" ~ name, "definition": definition, "to": parent
        }) %}
    {% endfor %}
    {% do return(keys) %}
{% endmacro %}
