{#-
    The relation that a foreign key of the YAML points at; none for other constraints.
    dbt writes it out in the models of a run alone: in all others it still reads
    `ref('...')`. Under `--defer` it writes the deferred one, to which no key can
    point where it is a view: ours is taken, whether it is there or not.
-#}
{% macro foreign_key_parent(constraint) %}
    {% set to = constraint.to or none %}
    {% set is_ref = to is not none and "ref(" in to %}
    {% if to is none or not (is_ref or invocation_args_dict.defer) %}
        {% do return(to) %}
    {% endif %}
    {% set name = modules.re.findall("\\w+", to)[-1] %}
    {% for node in graph.nodes.values() if node.resource_type == "model" and (
        node.name == name and node.version == node.latest_version if is_ref
        else (node.defer_relation or {}).relation_name == to
    ) %}
        {% do return(api.Relation.create(
            database=node.database, schema=node.schema, identifier=node.alias
        ) | string) %}
    {% endfor %}
    {% if not is_ref %}{% do return(to) %}{% endif %}
    {% do exceptions.raise_compiler_error("no model for the foreign key to " ~ to) %}
{% endmacro %}
