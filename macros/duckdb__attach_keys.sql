{#-
    A DuckDB file has no keys of ours: it would hold their indexes in memory, and check
    a foreign key row by row. What the YAML declares is held against the finished table
    instead; uniqueness by the tests `unique_key` alone, which every mart has.
-#}
{% macro duckdb__attach_keys() %}
    {% if not execute or model.config.materialized == "view" %}{% do return("") %}{% endif %}
    {% set faults = [] %}
    {% for column in model.columns.values() %}
        {% if "not_null" in column.constraints | map(attribute="type") | map("string") | list %}
            {% do faults.append(
                "count(*) filter (where " ~ column.name ~ " is null)"
                ~ " as \"" ~ column.name ~ " is null\""
            ) %}
        {% endif %}
    {% endfor %}
    {% for key in model.constraints if key.type | string == "check" %}
        {% do faults.append(
            "count(*) filter (where not (" ~ key.expression ~ ")) as \""
            ~ key.name ~ "\""
        ) %}
    {% endfor %}
    {% if faults %}
        {% do _refuse_faults("select " ~ faults | join(", ") ~ " from " ~ this) %}
    {% endif %}
    {% for key in model.constraints if key.type | string == "foreign_key" %}
        {% do _refuse_faults(_orphans(key)) %}
    {% endfor %}
{% endmacro %}

{#- How many rows point at nobody; a key with a null in it points nowhere. -#}
{% macro _orphans(key) %}
    {% set same = [] %}
    {% set filled = [] %}
    {% for column in key.columns %}
        {% do same.append("parent." ~ key.to_columns[loop.index0] ~ " = child." ~ column) %}
        {% do filled.append("child." ~ column ~ " is not null") %}
    {% endfor %}
    {% do return(
        "select count(*) as \"" ~ key.columns | join(", ") ~ " not in "
        ~ key.to | replace('"', "") ~ "\" from " ~ this ~ " as child where "
        ~ filled | join(" and ") ~ " and not exists (select 1 from "
        ~ foreign_key_parent(key) ~ " as parent where " ~ same | join(" and ") ~ ")"
    ) %}
{% endmacro %}

{% macro _refuse_faults(query) %}
    {% for row in run_query(query).rows %}
        {% for name, count in row.dict().items() if count %}
            {% do exceptions.raise_compiler_error(
                this.identifier ~ ": " ~ count ~ " rows break what its YAML declares: "
                ~ name
            ) %}
        {% endfor %}
    {% endfor %}
{% endmacro %}
