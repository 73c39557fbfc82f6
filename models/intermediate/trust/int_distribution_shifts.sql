with

bins as (

    select * from {{ ref('int_current_distributions') }}

),

totals as (

    select
        model_version,
        organization_id,
        feature_name,
        load_id,
        batch_id,
        cast(count(*) as integer) as bin_count,
        cast(sum(training_count) as {{ dbt.type_bigint() }}) as training_count,
        cast(sum(patient_count) as {{ dbt.type_bigint() }}) as patient_count

    from bins

    group by model_version, organization_id, feature_name, load_id, batch_id

),

-- Half a person more in every bin, so that none has no logarithm.
shares as (

    select
        totals.model_version,
        totals.organization_id,
        totals.feature_name,
        (bins.training_count + 0.5)
        / cast(totals.training_count + 0.5 * totals.bin_count as {{ type_double() }})
            as training_share,
        (bins.patient_count + 0.5)
        / cast(totals.patient_count + 0.5 * totals.bin_count as {{ type_double() }})
            as current_share

    from bins

    inner join totals
        on
            bins.model_version = totals.model_version
            and bins.organization_id = totals.organization_id
            and bins.feature_name = totals.feature_name

),

indexes as (

    select
        model_version,
        organization_id,
        feature_name,
        sum(
            (current_share - training_share) * ln(current_share / training_share)
        ) as psi

    from shares

    group by model_version, organization_id, feature_name

),

-- Without drift, the index of B bins is about (1 / n + 1 / m) times chi-squared of
-- B - 1 degrees of freedom (Yurdakul, Statistical properties of population stability
-- index, Western Michigan University, 2018). Its 99 % point is Wilson and Hilferty's
-- (PNAS 1931; 17: 684-688), within 1 %.
final as (

    select
        totals.*,
        indexes.psi,
        coalesce(
            cast(1.0 as {{ type_double() }})
            * (1.0 / totals.training_count + 1.0 / totals.patient_count)
            * (totals.bin_count - 1)
            * power(
                1 - 2.0 / nullif(9 * (totals.bin_count - 1), 0)
                + 2.326348 * sqrt(2.0 / nullif(9 * (totals.bin_count - 1), 0)),
                3
            ),
            0
        ) as chance_psi

    from totals

    inner join indexes
        on
            totals.model_version = indexes.model_version
            and totals.organization_id = indexes.organization_id
            and totals.feature_name = indexes.feature_name

)

select * from final
