{#-
    The model has exactly the rows of another relation (or of part of it): the same
    keys, and for each the same values. `columns` are all of the model's contract
    unless given, without those in `leaving_out`; those in `near` are sums, whose last
    digits differ with the order of addition. One join; where both differ, both sides are
    shown.
-#}
{% test same_rows(model, as, key, columns=none, near=[], as_where="true", leaving_out=[]) %}

{% set node = model_node(model.identifier) %}
{% set columns = columns if columns is not none else node.columns if node else [] %}
{% set compared = columns | reject("in", key + leaving_out) | list %}
{% set exact = compared | reject("in", near) | list %}

with

expected as (

    select * from {{ as }} where {{ as_where }}

)

select
    {%- for column in key + compared %}
    actual.{{ column }},
    expected.{{ column }} as expected_{{ column }}{{ "," if not loop.last }}
    {%- endfor %}

from {{ model }} as actual

full outer join expected
    on
        {%- for column in key %}
        {{ "and " if not loop.first }}actual.{{ column }} = expected.{{ column }}
        {%- endfor %}

where
    actual.{{ key[0] }} is null
    or expected.{{ key[0] }} is null
    {%- for column in exact %}
    or actual.{{ column }} is distinct from expected.{{ column }}
    {%- endfor %}
    {%- for column in near %}
    or (actual.{{ column }} is null) <> (expected.{{ column }} is null)
    or abs(actual.{{ column }} - expected.{{ column }})
    > 1e-9 * greatest(1, abs(expected.{{ column }}))
    {%- endfor %}

{% endtest %}
