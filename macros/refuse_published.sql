{#- Before anything runs: what readers have is only ever published (`riskmart publish`). -#}
{% macro refuse_published() %}
    {% set writing = ("build", "run", "seed", "snapshot", "clone") %}
    {% if execute and target.name == "published" and flags.WHICH in writing %}
        {% do exceptions.raise_compiler_error(
            "target published is what readers have, and is only read: for mf, docs and "
            ~ "tests. Leave --target out to build in schemas of your own, or run "
            ~ "./riskmart build"
        ) %}
    {% endif %}
{% endmacro %}
