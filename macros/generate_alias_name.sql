{#-
    The name of a relation. A published mart's latest version has the plain one, which
    readers' queries, views and grants go by; an earlier one beside it has its number.
-#}
{% macro generate_alias_name(custom_alias_name=none, node=none) -%}
    {%- set name = custom_alias_name or node.name -%}
    {%- set is_latest = not node.version or node.version == node.latest_version -%}
    {{ name if is_latest else name ~ "_v" ~ node.version }}
{%- endmacro %}
