{#-
    One bound of Wilson's score interval of a share, at z standard errors: below the
    share where `side` is -1, above where it is 1 (Wilson, JASA 1927; 22: 209-212).
    Null where there is nobody.
-#}
{% macro wilson_bound(events, people, side, z=1.959963984540054) -%}
    {%- set n = "nullif(cast(" ~ people ~ " as " ~ type_double() ~ "), 0)" -%}
    (
        {{ events }} + {{ z * z / 2 }}
        {{ "+" if side > 0 else "-" }} {{ z }} * sqrt(
            {{ events }} * ({{ people }} - {{ events }}) / {{ n }} + {{ z * z / 4 }}
        )
    ) / ({{ n }} + {{ z * z }})
{%- endmacro %}
