{#-
    A seed that has gained or lost a column since its table was made, as in an older
    warehouse, gets a new table, as with --full-refresh; what reads it is built after
    it in any case. All others are emptied and filled again.
-#}
{% macro postgres__reset_csv_table(model, full_refresh, old_relation, agate_table) %}
    {% set held = adapter.get_columns_in_relation(old_relation) | map(attribute="name") | sort %}
    {% set anew = full_refresh or held != agate_table.column_names | sort %}
    {{ return(default__reset_csv_table(model, anew, old_relation, agate_table)) }}
{% endmacro %}
