{#-
    A number from 0 to below 1 out of a text, evenly spread: the first six hexadecimal
    digits of its md5, read as a fraction (steps of 6e-8, exact in double precision).
    Digits are looked up in a string, since engines have no common word for reading
    hexadecimal; PostgreSQL, which would hash once a digit, reads them as 24 bits.
    `python_scoring/holdout.py` says the same.
-#}
{% macro hash_share(text) -%}
    {{ return(adapter.dispatch("hash_share")(text)) }}
{%- endmacro %}

{% macro postgres__hash_share(text) -%}
    cast(cast('x' || substr(md5({{ text }}), 1, 6) as bit(24)) as integer)
    / cast({{ 16 ** 6 }} as {{ type_double() }})
{%- endmacro %}

{% macro default__hash_share(text) -%}
    {%- for place in range(1, 7) %}
    {{ "+ " if place > 1 }}(
        position(substr(md5({{ text }}), {{ place }}, 1) in '0123456789abcdef') - 1
    ) / cast({{ 16 ** place }} as {{ type_double() }})
    {%- endfor %}
{%- endmacro %}
