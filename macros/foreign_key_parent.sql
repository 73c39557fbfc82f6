{#-
    The relation that a foreign key of the YAML points at; none for other constraints.
    dbt writes it out in the models of a run alone: in all others it still reads
    `ref('...')`.
-#}
{% macro foreign_key_parent(constraint) %}
    {% set to = constraint.to or none %}
    {% if to is none or "ref(" not in to %}{% do return(to) %}{% endif %}
    {% set name = modules.re.findall("\\w+", to)[-1] %}
    {% for node in graph.nodes.values()
        if node.resource_type == "model" and node.name == name %}
        {% do return(api.Relation.create(
            database=node.database, schema=node.schema, identifier=node.alias
        ) | string) %}
    {% endfor %}
    {% do exceptions.raise_compiler_error("no model for the foreign key to " ~ to) %}
{% endmacro %}
