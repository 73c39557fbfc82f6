with

source as (

    select * from {{ source('cms', 'cms_beneficiaries') }}

),

renamed as (

    select
        -- ids; 16 hexadecimal digits, half of which overflow a signed bigint
        load_id,
        desynpuf_id as external_id,

        -- dates
        bene_birth_dt as birth_date,
        bene_death_dt as death_date,

        -- demographics; CMS codes 2 = female, 'Y' = ESRD
        bene_race_cd as race_code,
        cast(case when bene_sex_ident_cd = 2 then 1 else 0 end as smallint)
            as is_female,
        cast(case when bene_esrd_ind = 'Y' then 1 else 0 end as smallint) as has_esrd,

        -- conditions; CMS codes 1 = yes, 2 = no
        cast(2 - sp_alzhdmta as smallint) as has_alzheimers,
        cast(2 - sp_chf as smallint) as has_chf,
        cast(2 - sp_chrnkidn as smallint) as has_ckd,
        cast(2 - sp_cncr as smallint) as has_cancer,
        cast(2 - sp_copd as smallint) as has_copd,
        cast(2 - sp_depressn as smallint) as has_depression,
        cast(2 - sp_diabetes as smallint) as has_diabetes,
        cast(2 - sp_ischmcht as smallint) as has_ischemic_heart,
        cast(2 - sp_ra_oa as smallint) as has_ra_oa,
        cast(2 - sp_strketia as smallint) as has_stroke,

        -- payments of the calendar year, USD
        medreimb_ip as inpatient_reimbursement,
        benres_ip as inpatient_beneficiary_share,
        medreimb_op as outpatient_reimbursement,
        medreimb_car as carrier_reimbursement

    from source

)

select * from renamed
