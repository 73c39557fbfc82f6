{#-
    Before anything runs: whoever builds under row-level security without being past it
    would build marts of no rows at all.
-#}
{% macro refuse_hidden_rows() %}
    {% if not execute or target.type == "duckdb" or flags.WHICH not in ("build", "run", "seed", "snapshot") %}
        {% do return("") %}
    {% endif %}
    {% set found = run_query(
        "select count(*) from pg_class where relnamespace = to_regnamespace('raw')"
        ~ " and relforcerowsecurity and row_security_active(oid)"
    ) %}
    {% if found.columns[0].values()[0] > 0 %}
        {% do exceptions.raise_compiler_error(
            target.user ~ " may not see all rows of raw, and would build fewer than there"
            ~ " are; expected a login that builds (riskmart db init-roles --builder "
            ~ target.user ~ ")"
        ) %}
    {% endif %}
{% endmacro %}
