{#- Folders name their schema in dbt_project.yml; no prefix is put before it. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name or target.schema }}
{%- endmacro %}
