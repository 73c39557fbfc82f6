{#-
    Post-hook of every mart, but for views, which have no keys: attaches the keys and
    checks that its YAML declares and the catalogue lacks. Rebuilding a parent alone
    drops its children's foreign keys, so those of children that this run leaves alone
    are attached again here.
-#}
{% macro attach_keys() %}
    {% do adapter.dispatch("attach_keys")() %}
{% endmacro %}

{% macro default__attach_keys() %}
    {% if not execute or model.config.materialized == "view" %}{% do return("") %}{% endif %}
    {% do _attach_own_keys(model, this) %}
    {% for child in graph.nodes.values()
        if child.resource_type == "model"
        and child.constraints
        and child.unique_id not in selected_resources
        and child.unique_id != model.unique_id %}
        {% set relation = api.Relation.create(
            database=child.database, schema=child.schema, identifier=child.alias
        ) %}
        {% if this | string in declared_keys(child) | map(attribute="to") | list
            and load_relation(relation) is not none %}
            {% do _attach_foreign_keys(child, relation, only_to=this | string) %}
        {% endif %}
    {% endfor %}
{% endmacro %}

{#-
    One pass over the table for everything but foreign keys; and none at all over one that
    has them, since to alter a table that outlives builds is to wait for all its readers.
-#}
{% macro _attach_own_keys(node, relation) %}
    {% set present = attached_keys(relation) %}
    {% set filled = _not_null_columns(relation) %}
    {% set clauses = [] %}
    {% for column in node.columns.values() if column.name not in filled %}
        {% if "not_null" in column.constraints | map(attribute="type") | map("string") | list %}
            {% do clauses.append("alter column " ~ column.name ~ " set not null") %}
        {% endif %}
    {% endfor %}
    {% for key in declared_keys(node) if key.to is none and key.name not in present %}
        {% do clauses.append("add constraint " ~ key.name ~ " " ~ key.definition) %}
    {% endfor %}
    {% if clauses %}
        {% do run_query("alter table " ~ relation ~ " " ~ clauses | join(", ")) %}
    {% endif %}
    {% do _attach_foreign_keys(node, relation) %}
{% endmacro %}

{% macro _not_null_columns(relation) %}
    {% set names = run_query(
        "select attname from pg_attribute where attrelid = to_regclass('" ~ relation
        ~ "') and attnum > 0 and attnotnull"
    ) %}
    {% do return(names.columns[0].values() | list) %}
{% endmacro %}

{#-
    In order of the parents' names, so that two children never lock them crosswise.
    Only a child that is built alone (`--defer`) has no table of its own to point at.
-#}
{% macro _attach_foreign_keys(node, relation, only_to=none) %}
    {% set keys = declared_keys(node) | selectattr("to") | sort(attribute="to") %}
    {% set present = attached_keys(relation) if keys else [] %}
    {% for key in keys
        if key.name not in present and (only_to is none or key.to == only_to)
        and (invocation_args_dict.defer != true or _is_table(key.to)) %}
        {% do run_query(
            "alter table " ~ relation ~ " add constraint " ~ key.name ~ " " ~ key.definition
        ) %}
    {% endfor %}
{% endmacro %}

{% macro _is_table(name) %}
    {% set found = run_query("select to_regclass('" ~ name ~ "') is not null") %}
    {% do return(found.columns[0].values()[0]) %}
{% endmacro %}
