{#- The 95th percentile of the standard normal distribution; the 5th is its negative. -#}
{% macro normal_quantile_95() %}1.6448536269514722{% endmacro %}
