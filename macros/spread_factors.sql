{#-
    What savings come to, as multiples of the projection, at the 5th percentile, in the
    mean and at the 95th: of a logarithm that is spread as a normal one is, below the
    median by `downside_spread` and above it by `upside_spread`.
-#}
{% macro spread_factors() -%}
    exp(-{{ normal_quantile_95() }} * downside_spread) as low_factor,
    exp(power(downside_spread, 2) / 2) * (1 - {{ normal_cdf('downside_spread') }})
    + exp(power(upside_spread, 2) / 2) * {{ normal_cdf('upside_spread') }}
        as mean_factor,
    exp({{ normal_quantile_95() }} * upside_spread) as high_factor
{%- endmacro %}
