{#-
    One bound of the 95 % interval of a Poisson count by Byar's approximation: the lower
    one where `side` is -1, the upper one where it is 1 (Breslow and Day, Statistical
    Methods in Cancer Research II, IARC 1987, p. 69). A count of 0 has 0 below it.
-#}
{% macro byar_bound(events, side, z=1.959963984540054) -%}
    {%- set count = "cast(" ~ events ~ " as " ~ type_double() ~ ")" -%}
    {%- if side > 0 -%}
    ({{ count }} + 1) * power(
        1 - 1 / (9 * ({{ count }} + 1)) + {{ z }} / (3 * sqrt({{ count }} + 1)), 3
    )
    {%- else -%}
    coalesce(
        {{ count }} * power(
            1 - 1 / (9 * nullif({{ count }}, 0))
            - {{ z }} / (3 * sqrt(nullif({{ count }}, 0))), 3
        ), 0
    )
    {%- endif %}
{%- endmacro %}
