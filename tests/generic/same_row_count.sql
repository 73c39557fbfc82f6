{#- The model has exactly as many rows as another relation (or part of it). -#}
{% test same_row_count(model, as, as_where="true") %}

with

counts as (

    select
        (select count(*) from {{ model }}) as actual_count,
        (select count(*) from {{ as }} where {{ as_where }}) as expected_count

)

select * from counts where actual_count <> expected_count

{% endtest %}
