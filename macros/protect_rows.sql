{#-
    Post-hook of every table: row-level security, forced, with the policy that its
    columns ask for (`row_policy`). Below the marts nobody reads, so there is none and
    nobody but the builder sees a row. Does nothing where the roles are not there
    (`riskmart db init-roles`), which the build then says.
-#}
{% macro protect_rows() %}
    {% if not execute or model.config.materialized == "view" or not rows_are_protected() %}
        {% do return("") %}
    {% endif %}
    {% set columns = model.columns.keys() | list or
        adapter.get_columns_in_relation(this) | map(attribute="name") | list %}
    {% set is_mart = model.config.schema == "marts" %}
    {% set is_registry = model.config.schema == "raw" %}
    {% set policy = row_policy(this, columns) if is_mart or is_registry else none %}
    {% if is_mart and policy is none and not model.config.meta.get("is_shared") %}
        {% do exceptions.raise_compiler_error(
            model.name ~ ": whose rows are these? Expected a column organization_id, "
            ~ "patient_id or evaluation_id, or meta: {is_shared: true} where every "
            ~ "organization may read all of it"
        ) %}
    {% endif %}
    {% do run_query(
        "alter table " ~ this ~ " enable row level security, force row level security"
    ) %}
    {% if is_registry %}
        {% do _protect_registry(this) %}
    {% elif is_mart %}
        {% set about = "access.note_read('" ~ this.identifier ~ "')" %}
        {% do run_query(
            "drop policy if exists readers on " ~ this ~ "; create policy readers on "
            ~ this ~ " for select using ("
            ~ ("(select " ~ about ~ ") and " if "patient_id" in columns)
            ~ "(" ~ (policy or "true") ~ "))"
        ) %}
        {% if "intake" in model.tags | join(" ") %}{% do _protect_intake(this) %}{% endif %}
    {% endif %}
{% endmacro %}

{#- Whether the roles are there, and who builds is past every policy. -#}
{% macro rows_are_protected() %}
    {% if not execute %}{% do return(false) %}{% endif %}
    {% set found = run_query(
        "select to_regclass('access.my_departments') is not null and (rolsuper or "
        ~ "rolbypassrls) from pg_roles where rolname = current_user"
    ) %}
    {% do return(found.columns[0].values()[0]) %}
{% endmacro %}

{#-
    Which rows of a mart one may see: the whole of an organization, or of it one's
    departments and the patients one is assigned. None where no column says whose.
-#}
{% macro row_policy(relation, columns) %}
    {% set whole = "organization_id = any (array("
        ~ "select organization_id from access.my_whole_organizations))" %}
    {% set department = "exists (select from access.my_departments as mine"
        ~ " where mine.organization_id = " ~ relation.identifier ~ ".organization_id"
        ~ " and mine.department_id = " ~ relation.identifier ~ ".department_id)" %}
    {% set assigned = "patient_id = any (array("
        ~ "select patient_id from access.my_patients))" %}
    {% if "organization_id" not in columns %}
        {% if "evaluation_id" in columns %}
            {% do return(_seen(relation, "model_evaluations", "evaluation_id")) %}
        {% endif %}
        {% do return(none) %}
    {% elif "department_id" in columns and "patient_id" in columns %}
        {% do return(whole ~ " or " ~ department ~ " or " ~ assigned) %}
    {% elif "department_id" in columns %}
        {% do return(whole ~ " or " ~ department) %}
    {% elif "patient_id" in columns %}
        {% do return(whole ~ " or " ~ _seen(relation, "patients", "patient_id")) %}
    {% endif %}
    {% do return("organization_id = any (array("
        ~ "select organization_id from access.my_organizations))") %}
{% endmacro %}

{#- Rows of who is seen in another mart of the same build: its own policy decides. -#}
{% macro _seen(relation, mart, key) %}
    {% set other = relation.include(database=false, identifier=false) ~ "." ~ mart %}
    {% do return(
        "exists (select from " ~ other ~ " as seen where seen." ~ key ~ " = "
        ~ relation.identifier ~ "." ~ key ~ ")"
    ) %}
{% endmacro %}

{#- Who takes new patients in changes the rows of its own organizations. -#}
{% macro _protect_intake(relation) %}
    {% set mine = "organization_id = any (array("
        ~ "select organization_id from access.my_whole_organizations))" %}
    {% do run_query(
        "drop policy if exists intake on " ~ relation ~ "; create policy intake on "
        ~ relation ~ " for all to riskmart_intake using (" ~ mine
        ~ ") with check (" ~ mine ~ "); grant select, insert, update, delete on "
        ~ relation ~ " to riskmart_intake"
    ) %}
{% endmacro %}

{#- Update, since only that lets one lock a table; no policy lets anybody change a row. -#}
{% macro _protect_registry(relation) %}
    {% set mine = "org_code in (select org_code from access.my_whole_organizations)" %}
    {% do run_query(
        "drop policy if exists intake_select on " ~ relation
        ~ "; drop policy if exists intake_insert on " ~ relation
        ~ "; create policy intake_select on " ~ relation
        ~ " for select to riskmart_intake using (" ~ mine
        ~ "); create policy intake_insert on " ~ relation
        ~ " for insert to riskmart_intake with check (" ~ mine
        ~ "); grant select, insert, update on " ~ relation ~ " to riskmart_intake"
    ) %}
{% endmacro %}
