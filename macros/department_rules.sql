{#-
    The conditions of seeds/rules/department_rules.csv in order, as a list of
    {rule_order, department_code, feature_name, operator, threshold}; empty while the
    project is only read. In a unit test ref() is a fixture, which cannot be read
    here: it overrides this macro.
-#}
{% macro department_rules() %}
    {% set conditions = [] %}
    {% set seed = load_relation(ref("department_rules")) if execute else none %}
    {% if seed is not none %}
        {% for row in run_query(
            "select rule_order, department_code, feature_name, operator, threshold from "
            ~ seed ~ " order by rule_order, feature_name, operator, threshold"
        ).rows %}
            {% do conditions.append(row.dict()) %}
        {% endfor %}
    {% endif %}
    {% do return(conditions) %}
{% endmacro %}
