{#-
    As on PostgreSQL: the contract is checked first, and the table made by one `create
    table as`. dbt-duckdb's own declares the keys first, whose indexes stay in memory.
-#}
{% macro duckdb__create_table_as(
    temporary, relation, compiled_code, language="sql", partitioned_by=none,
    sorted_by=none
) -%}
    {%- if config.get("contract").enforced and not temporary -%}
        {{ get_assert_columns_equivalent(compiled_code) }}
        {%- set compiled_code = get_select_subquery(compiled_code) -%}
    {%- endif %}
    create {% if temporary %}temporary{% else %}or replace{% endif %} table
    {{ relation.include(database=not temporary, schema=not temporary) }} as (
        {{ compiled_code }}
    );
{%- endmacro %}
