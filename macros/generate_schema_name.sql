{#-
    Which schema a room is. `raw` is one for everybody. Under the target `candidate`
    (`riskmart build`) rooms have their plain names and the marts go to `candidate`,
    until all of them are published at once; `published` reads the names that readers
    have, and nothing is built there (`refuse_published`). Anybody else's dbt has rooms
    of its own, `dev_<user>_staging`, ..., and touches nothing that is published.
-#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- if custom_schema_name == "raw" -%}
    raw
    {%- elif target.schema == "candidate" or target.name == "published" -%}
    {{ target.schema if custom_schema_name in (none, "marts") else custom_schema_name }}
    {%- else -%}
    {{ target.schema }}_{{ custom_schema_name or "marts" }}
    {%- endif -%}
{%- endmacro %}
