{#- A view of a DuckDB file, replaced where it stands. -#}
{% materialization view, adapter="duckdb" %}
    {% do return(duckdb__replace_in_place("view")) %}
{% endmaterialization %}
