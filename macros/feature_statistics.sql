{#-
    One row per value of the column `by`, and feature, of a step that holds people with
    their features: how many there are, the share without the feature, and of the
    others mean, standard deviation (n - 1) and quartiles. All features in one pass,
    and a sort each for the quartiles: unfolded first, a million people would be 27
    million rows to sort.
-#}
{% macro feature_statistics(people, by) -%}
    select
        measured.{{ by }},
        unfolded.*

    from (
        select
            {{ by }},
            count(*) as people
            {%- for feature in feature_names() %},
            {{ _measures(feature) }}
            {%- endfor %}

        from {{ people }}

        group by {{ by }}
    ) as measured

    cross join lateral (
        values
        {%- for feature in feature_names() %}
        {{ _as_row(feature) }}{{ "," if not loop.last }}
        {%- endfor %}
    ) as unfolded (
        feature_name, patient_count, missing_share, mean, standard_deviation,
        first_quartile, median, third_quartile
    )
{%- endmacro %}

{% macro _measures(feature) -%}
    count({{ feature }}) as {{ feature }}_count,
            cast(avg({{ feature }}) as {{ type_double() }}) as {{ feature }}_mean,
            cast(stddev_samp({{ feature }}) as {{ type_double() }})
                as {{ feature }}_deviation,
            percentile_cont(array[
                cast(0.25 as {{ type_double() }}),
                cast(0.5 as {{ type_double() }}),
                cast(0.75 as {{ type_double() }})
            ]) within group (
                order by cast({{ feature }} as {{ type_double() }})
            ) as {{ feature }}_quartiles
{%- endmacro %}

{% macro _as_row(feature) -%}
    (
            cast('{{ feature }}' as {{ dbt.type_string() }}),
            measured.people,
            (measured.people - measured.{{ feature }}_count)
            / cast(measured.people as {{ type_double() }}),
            measured.{{ feature }}_mean,
            measured.{{ feature }}_deviation,
            measured.{{ feature }}_quartiles[1],
            measured.{{ feature }}_quartiles[2],
            measured.{{ feature }}_quartiles[3]
        )
{%- endmacro %}
