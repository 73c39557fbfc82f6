{#- A table of a DuckDB file, replaced where it stands. -#}
{% materialization table, adapter="duckdb" %}
    {% do return(duckdb__replace_in_place("table")) %}
{% endmaterialization %}
