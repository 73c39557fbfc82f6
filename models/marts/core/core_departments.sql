{{ config(alias='departments') }}

with

departments as (

    select * from {{ ref('departments') }}

),

final as (

    select
        department_id,
        department_code,
        department_name,
        specialty_type,
        description

    from departments

)

select * from final
