{#- Steps of targeting that bring 2^(20/4) a dollar and more are in the highest bin. -#}
{% macro highest_targeting_bin() %}{% do return(20) %}{% endmacro %}
