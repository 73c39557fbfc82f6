{#-
    A number from 0 to below 1 out of a text, evenly spread: the first six hexadecimal
    digits of its md5, read as a fraction (steps of 6e-8, exact in double precision).
    Digits are looked up in a string, since engines have no common word for reading
    hexadecimal. `python_scoring/holdout.py` says the same.
-#}
{% macro hash_share(text) -%}
    {%- for place in range(1, 7) %}
    {{ "+ " if place > 1 }}(
        position(substr(md5({{ text }}), {{ place }}, 1) in '0123456789abcdef') - 1
    ) / cast({{ 16 ** place }} as {{ type_double() }})
    {%- endfor %}
{%- endmacro %}
