{#- Whole years from a birth date to a day, as a smallint; the birthday counts. -#}
{% macro age_in_years(birth_date, on_date) -%}
    cast(
        extract(year from {{ on_date }}) - extract(year from {{ birth_date }})
        - case
            when
                100 * extract(month from {{ on_date }})
                + extract(day from {{ on_date }})
                < 100 * extract(month from {{ birth_date }})
                + extract(day from {{ birth_date }})
                then 1
            else 0
        end as smallint
    )
{%- endmacro %}
