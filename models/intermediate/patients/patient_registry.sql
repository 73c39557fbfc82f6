{{
    config(
        materialized='incremental',
        schema='raw',
        incremental_strategy='append',
        full_refresh=false,
        on_schema_change='fail',
        contract={'enforced': true},
        pre_hook="{% if is_incremental() and target.type == 'postgres' %}lock table {{ this }} in share row exclusive mode{% endif %}",
        post_hook=[
            {'sql': '{{ attach_keys() }}', 'transaction': false},
            {'sql': 'analyze {{ this }}', 'transaction': false},
        ],
    )
}}

-- depends_on: {{ ref('int_rule_faults') }}
-- Append-only: who is known keeps patient_id and patient_uuid for good, which is
-- why a full refresh leaves this table alone.

with

loads as (

    select * from {{ ref('int_cohort_loads') }}

),

base_fields as (

    select * from {{ ref('int_patient_base_fields') }}

),

people as (

    select
        loads.org_code,
        base_fields.external_id

    from base_fields

    inner join loads on base_fields.load_id = loads.load_id

    group by loads.org_code, base_fields.external_id

),

{% if is_incremental() %}

known as (

    select * from {{ this }}

),

{% endif %}

newcomers as (

    select people.*

    from people

    {% if is_incremental() %}
    left join known
        on
            people.org_code = known.org_code
            and people.external_id = known.external_id

    where known.patient_id is null
    {% endif %}

),

final as (

    select
        org_code,
        external_id,
        row_number() over (order by org_code, external_id)
        {% if is_incremental() %}
        + (select coalesce(max(known.patient_id), 0) from known)
        {% endif %}
            as patient_id,
        gen_random_uuid() as patient_uuid,
        {{ run_timestamp() }} as registered_at

    from newcomers

)

select * from final
