{#-
    A reason in words: "4 admissions in the last year: raises risk". `words` is a row of
    `reason_words`; which of its wordings counts, the value decides.
-#}
{% macro reason_text(value, contribution, words) -%}
    case
        when {{ value }} is null
            then coalesce({{ words }}.reason_missing, {{ words }}.label || ', value unknown')
        when {{ value }} = 0 and {{ words }}.reason_zero is not null
            then {{ words }}.reason_zero
        when {{ value }} = 1 and {{ words }}.reason_one is not null
            then {{ words }}.reason_one
        else
            replace(
                {{ words }}.reason_many,
                '{value}',
                {{ _spelled(value, words) }}
            )
    end
    || case
        when {{ contribution }} > 0 then ': raises risk'
        when {{ contribution }} < 0 then ': lowers risk'
        else ': neither raises nor lowers risk'
    end
{%- endmacro %}

{#- By unit: a code's name, a share in percent, scores of 0-1 and 0-10, else whole. -#}
{% macro _spelled(value, words) -%}
    coalesce(
        {{ words }}.code_names
        ->> cast(cast({{ value }} as {{ dbt.type_bigint() }}) as {{ dbt.type_string() }}),
        case {{ words }}.unit
            when 'share' then {{ spelled_number("100 * " ~ value, 1) }}
            when '0-1' then {{ spelled_number(value, 2) }}
            when '0-10' then {{ spelled_number(value, 1) }}
            else {{ spelled_number(value, 0) }}
        end
    )
{%- endmacro %}
