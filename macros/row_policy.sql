{#-
    Which rows of a mart one may see: the whole of an organization, or of it one's
    departments and the patients one is assigned. None where no column says whose.
-#}
{% macro row_policy(relation, columns) %}
    {% set mine = " = any (array(select organization_id from access." %}
    {% set whole = "organization_id" ~ mine ~ "my_whole_organizations))" %}
    {% set name = relation.identifier %}
    {% set department = " or exists (select from access.my_departments as mine"
        ~ " where mine.organization_id = " ~ name ~ ".organization_id"
        ~ " and mine.department_id = " ~ name ~ ".department_id)" %}
    {% set assigned = " or patient_id = any (array("
        ~ "select patient_id from access.my_patients))" %}
    {% if "organization_id" not in columns %}
        {% do return(_seen(relation, "model_evaluations", "evaluation_id")
            if "evaluation_id" in columns else none) %}
    {% elif "department_id" in columns %}
        {% do return(whole ~ department ~ (assigned if "patient_id" in columns else "")) %}
    {% elif "patient_id" in columns %}
        {% do return(whole ~ " or " ~ _seen(relation, "patients", "patient_id")) %}
    {% endif %}
    {% do return("organization_id" ~ mine ~ "my_organizations))") %}
{% endmacro %}

{#- Rows of who is seen in another mart of the same build: its own policy decides. -#}
{% macro _seen(relation, mart, key) %}
    {% set other = relation.include(database=false, identifier=false) ~ "." ~ mart %}
    {# Not there where dbt was asked for a part alone: then nobody is seen by it. #}
    {% set found = run_query("select to_regclass('" ~ other ~ "') is not null") %}
    {% if not found.columns[0].values()[0] %}{% do return("false") %}{% endif %}
    {% do return(
        "exists (select from " ~ other ~ " as seen where seen." ~ key ~ " = "
        ~ relation.identifier ~ "." ~ key ~ ")"
    ) %}
{% endmacro %}
