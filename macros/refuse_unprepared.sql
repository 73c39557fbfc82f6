{#- Before anything runs: without the tables that Python writes, every model would fail. -#}
{% macro refuse_unprepared() %}
    {% if not execute or flags.WHICH not in ("build", "run", "snapshot") %}
        {% do return("") %}
    {% endif %}
    {% if adapter.get_relation(target.database, "raw", "loads") is none %}
        {% do exceptions.raise_compiler_error(
            "database " ~ target.database ~ " has no raw tables, which Python makes and "
            ~ "writes; expected them there: " ~ (
                "./riskmart --target duckdb sql 'select 1'" if target.type == "duckdb"
                else "./riskmart db start"
            ) ~ " makes them"
        ) %}
    {% endif %}
{% endmacro %}
