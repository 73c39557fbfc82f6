{#- Steps of targeting that bring less than 2^(-16/4) a dollar are in the lowest bin. -#}
{% macro lowest_targeting_bin() %}{% do return(-16) %}{% endmacro %}
