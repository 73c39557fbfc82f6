{#-
    The standard normal distribution function of a column of doubles, to 1e-12: no engine
    has it, nor erf before PostgreSQL 16. Hart's rational approximation as given by West
    (Better approximations to cumulative normal functions, Wilmott 2005; May: 70-76); the
    tails past 7.07, which are below 1e-12, are 0 and 1.
-#}
{% macro normal_cdf(column) -%}
    {%- set upper = [
        0.0352624965998911, 0.700383064443688, 6.37396220353165, 33.912866078383,
        112.079291497871, 221.213596169931, 220.206867912376
    ] -%}
    {%- set lower = [
        0.0883883476483184, 1.75566716318264, 16.064177579207, 86.7807322029461,
        296.564248779674, 637.333633378831, 793.826512519948, 440.413735824752
    ] -%}
    {%- set tail = "exp(-power(" ~ column ~ ", 2) / 2) * "
        ~ _polynomial("abs(" ~ column ~ ")", upper) ~ " / "
        ~ _polynomial("abs(" ~ column ~ ")", lower) -%}
    case
        when {{ column }} < -7.07 then 0.0
        when {{ column }} > 7.07 then 1.0
        {#- a square too small for a double is an error in PostgreSQL #}
        when abs({{ column }}) < 1e-16 then 0.5
        when {{ column }} <= 0 then {{ tail }}
        else 1 - {{ tail }}
    end
{%- endmacro %}

{#- By Horner's scheme, the coefficient of the highest power first. -#}
{% macro _polynomial(x, coefficients) -%}
    {{ "(" * (coefficients | length - 1) }}{{ coefficients[0] }}
    {%- for coefficient in coefficients[1:] %} * {{ x }} + {{ coefficient }}){% endfor %}
{%- endmacro %}
