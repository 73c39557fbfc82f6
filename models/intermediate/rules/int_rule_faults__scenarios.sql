with

scenarios as (

    select * from {{ ref('roi_scenarios') }}

),

rates as (

    select max(success_rate) as highest_success_rate

    from {{ ref('success_rates') }}

    where success_rate <= 1

),

wanted as (

    select
        'conservative' as scenario,
        cast(null as {{ dbt.type_string() }}) as lower_one
    union all
    select
        'base' as scenario,
        'conservative' as lower_one
    union all
    select
        'optimistic' as scenario,
        'base' as lower_one

),

counted as (

    select
        scenario,
        count(*) as row_count

    from scenarios

    group by scenario

),

row_faults as (

    select
        coalesce(wanted.scenario, counted.scenario, '(empty)') as scenario,
        case
            when wanted.scenario is null
                then 'unknown, expected conservative, base and optimistic'
            when counted.scenario is null
                then 'missing, expected conservative, base and optimistic'
            when counted.row_count > 1 then 'given twice'
        end as problem

    from wanted

    full outer join counted on wanted.scenario = counted.scenario

),

given as (
    {% for factor, fixed in scenario_factors().items() %}
    select
        scenario,
        '{{ factor }}' as factor,
        {{ factor }} as given_value,
        cast({{ fixed }} as {{ type_double() }}) as projected_value,
        {{ 1 if factor == 'addressable_share' else 10 }} as highest_value

    from scenarios
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

value_faults as (

    select
        given.scenario,
        given.factor || case
            when given.given_value is null then ' is empty'
            else ' ' || {{ number_text('given.given_value') }}
        end
        || case
            -- not a number and infinity are above every number
            when
                (given.given_value > 0 and given.given_value <= given.highest_value)
                is not true
                then
                    ', expected a number above 0 and at most '
                    || {{ number_text('given.highest_value') }}
            when given.scenario = 'base' and given.given_value <> given.projected_value
                then
                    ', expected what projections use, '
                    || {{ number_text('given.projected_value') }}
            when given.given_value < lower_ones.given_value
                then
                    ' is below that of ' || wanted.lower_one || ', '
                    || {{ number_text('lower_ones.given_value') }}
            when
                given.factor = 'success_multiplier'
                and given.given_value * rates.highest_success_rate > 1
                then
                    ' makes the success rate '
                    || {{ number_text('rates.highest_success_rate') }}
                    || ' one above 1'
        end as problem

    from given

    cross join rates

    inner join wanted on given.scenario = wanted.scenario

    left join given as lower_ones
        on
            wanted.lower_one = lower_ones.scenario
            and given.factor = lower_ones.factor

),

final as (

    select
        'roi_scenarios' as seed,
        'scenario ' || scenario as seed_row,
        problem

    from (
        select * from row_faults
        union all
        select * from value_faults
    ) as faults

    where problem is not null

)

select * from final
