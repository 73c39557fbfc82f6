{#-
    A table or view of a DuckDB file is replaced where it stands, by one statement of its
    own transaction. dbt-duckdb's way renames the old one away and the new one into its
    place: other threads, which look through the catalogue meanwhile, trip over views
    whose table has another name just then.
-#}
{% macro duckdb__replace_in_place(kind) %}
    {%- set present = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type=kind) -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% if present is not none and present.type != kind %}
        {% do adapter.drop_relation(present) %}
    {% endif %}
    {% call statement("main") %}
        {% if kind == "table" %}{{ create_table_as(False, target_relation, compiled_code) }}
        {% else %}{{ create_view_as(target_relation, compiled_code) }}{% endif %}
    {% endcall %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do persist_docs(target_relation, model) %}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {% do return({"relations": [target_relation]}) %}
{% endmacro %}
