{#-
    Fails with the rows themselves in the message, so that whoever edited a CSV
    reads what to mend rather than how many rows were returned.
-#}
{% set faults = load_relation(ref('int_rule_faults')) if execute else none %}
{% if faults is not none and flags.WHICH in ('build', 'test') %}
    {% set lines = [] %}
    {% for row in run_query("select * from " ~ faults ~ " order by seed, seed_row, problem").rows %}
        {% do lines.append("seeds/rules/" ~ row.seed ~ ".csv, " ~ row.seed_row ~ ": " ~ row.problem) %}
    {% endfor %}
    {% if lines %}
        {% do exceptions.raise_compiler_error("\n" ~ lines | join("\n")) %}
    {% endif %}
{% endif %}

select * from {{ ref('int_rule_faults') }}
