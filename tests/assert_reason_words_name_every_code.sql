-- A coded feature's reasons name each code as its list does.

with

words as (

    select * from {{ ref('reason_words') }}

    where feature_name = 'race_code'

),

races as (

    select {{ json_object('race_code', 'race') }} as code_names from {{ ref('races') }}

)

select
    words.code_names,
    races.code_names as expected_code_names

from words

cross join races

where words.code_names is distinct from races.code_names
