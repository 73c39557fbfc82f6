{#-
    dbt's own version of a table under contract is `create table` with every key,
    then `insert`. That insert cannot run in parallel and maintains each index row
    by row. Here the contract is checked first, the table is made by one parallel
    `create table as`, and `attach_keys` adds the keys to the finished table.
-#}
{% macro postgres__create_table_as(temporary, relation, sql) -%}
    {%- set sql_header = config.get("sql_header", none) -%}
    {{ sql_header if sql_header is not none }}

    {%- set contract = config.get("contract") -%}
    {%- if contract.enforced and not temporary -%}
        {{ get_assert_columns_equivalent(sql) }}
        {%- set sql = get_select_subquery(sql) -%}
    {%- endif %}

    create {% if temporary %}temporary{% endif %} table {{ relation }} as (
        {{ sql }}
    );
{%- endmacro %}
