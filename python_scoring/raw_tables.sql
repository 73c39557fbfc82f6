-- Everything that Python writes and dbt reads. Idempotent: run at every start.
-- People's identifiers live here and in staging only; readers get neither.
-- A DuckDB file has the tables and the view of these, made from these statements
-- (duck/raw_tables.py).

create schema if not exists raw;

-- The key that people's pseudonyms are made under: its fingerprint, which leads to
-- nothing. No row in a demo, where people are called what they came with.
create table if not exists raw.identity_key (
    is_one boolean primary key default true check (is_one),
    fingerprint text not null,
    in_force_since timestamptz not null default clock_timestamp()
);

-- What each pseudonym stands for, encrypted (Fernet): for `riskmart reidentify`, and
-- for a change of the key.
create table if not exists raw.patient_identifiers (
    org_code text not null,
    pseudonym text not null,
    encrypted bytea not null,
    key_fingerprint text not null,
    primary key (org_code, pseudonym)
);

-- One row per file set taken in: whose cohort, as of when, for what.
create table if not exists raw.loads (
    load_id bigint generated always as identity primary key,
    source text not null check (source in ('cms', 'cohort', 'synth')),
    purpose text not null check (purpose in ('cohort', 'training')),
    org_code text not null,
    as_of_date date not null,
    content_sha256 text not null check (length(content_sha256) = 64),
    files text [] not null,
    row_count bigint not null,
    rejected_count bigint not null,
    -- false where nobody can know yet what happened in the 90 days after
    has_outcomes boolean not null,
    loaded_at timestamptz not null default now()
);
create unique index if not exists loads_one_cohort_a_day
on raw.loads (org_code, as_of_date) where purpose = 'cohort';
create unique index if not exists loads_training_once
on raw.loads (org_code, as_of_date, content_sha256) where purpose = 'training';

create table if not exists raw.rejected_rows (
    load_id bigint not null references raw.loads (load_id) on delete cascade,
    file text not null,
    line bigint not null,
    column_name text not null,
    value text,
    reason text not null
);
create index if not exists rejected_rows_load on raw.rejected_rows (load_id);

-- The tables of people and claims carry no foreign key to raw.loads: a load
-- writes its line there and all its rows in one transaction, and a check of the
-- same number once a row doubles the time of a million.

-- The cohort layout: the base fields, and what the file said of derived ones.
create table if not exists raw.cohort_patients (
    load_id bigint not null,
    external_id text not null,
    age smallint not null,
    is_female smallint not null,
    race_code smallint not null,
    has_esrd smallint not null,
    has_alzheimers smallint not null,
    has_chf smallint not null,
    has_ckd smallint not null,
    has_cancer smallint not null,
    has_copd smallint not null,
    has_depression smallint not null,
    has_diabetes smallint not null,
    has_ischemic_heart smallint not null,
    has_ra_oa smallint not null,
    has_stroke smallint not null,
    total_admissions integer not null,
    total_hospital_days integer not null,
    days_since_last_admission integer,
    total_outpatient_visits integer not null,
    annual_cost double precision not null,
    inpatient_cost double precision not null,
    reported_is_elderly smallint,
    reported_recent_admission smallint,
    reported_high_outpatient_user smallint,
    reported_cost_percentile double precision,
    reported_high_cost smallint,
    reported_frailty_score double precision,
    reported_complexity_index double precision,
    primary key (load_id, external_id)
);

-- days_to_readmission is null where none came within 90 days.
create table if not exists raw.cohort_outcomes (
    load_id bigint not null,
    external_id text not null,
    days_to_readmission smallint check (days_to_readmission between 1 and 90),
    primary key (load_id, external_id)
);

-- CMS DE-SynPUF, under CMS's own column names.
create table if not exists raw.cms_beneficiaries (
    load_id bigint not null,
    desynpuf_id text not null,
    bene_birth_dt date not null,
    bene_death_dt date,
    bene_sex_ident_cd smallint not null,
    bene_race_cd smallint not null,
    bene_esrd_ind text not null,
    sp_alzhdmta smallint not null,
    sp_chf smallint not null,
    sp_chrnkidn smallint not null,
    sp_cncr smallint not null,
    sp_copd smallint not null,
    sp_depressn smallint not null,
    sp_diabetes smallint not null,
    sp_ischmcht smallint not null,
    sp_ra_oa smallint not null,
    sp_strketia smallint not null,
    medreimb_ip double precision not null,
    benres_ip double precision not null,
    medreimb_op double precision not null,
    medreimb_car double precision not null,
    primary key (load_id, desynpuf_id)
);

-- A claim's further segments repeat its number and may leave its days empty.
create table if not exists raw.cms_inpatient_claims (
    load_id bigint not null,
    desynpuf_id text not null,
    clm_id text not null,
    segment smallint not null,
    clm_from_dt date,
    clm_thru_dt date,
    clm_admsn_dt date not null,
    nch_bene_dschrg_dt date,
    clm_utlztn_day_cnt integer,
    clm_pmt_amt double precision not null,
    primary key (load_id, clm_id, segment),
    check (
        segment > 1 or num_nulls(clm_from_dt, clm_thru_dt, clm_utlztn_day_cnt) = 0
    )
);

create table if not exists raw.cms_outpatient_claims (
    load_id bigint not null,
    desynpuf_id text not null,
    clm_id text not null,
    segment smallint not null,
    clm_from_dt date,
    clm_thru_dt date,
    clm_pmt_amt double precision not null,
    primary key (load_id, clm_id, segment),
    check (segment > 1 or num_nulls(clm_from_dt, clm_thru_dt) = 0)
);

-- Fitted models: what they were fitted on, with what, and which file they are.
create table if not exists raw.model_registry (
    model_version text primary key,
    target text not null,
    is_champion boolean not null,
    trained_at timestamptz not null default now(),
    training_fingerprint text not null,
    training_rows bigint not null,
    feature_names text [] not null,
    reference_patient jsonb not null,
    library_versions jsonb not null,
    metrics jsonb not null,
    artifact_file text not null,
    artifact_sha256 text not null check (length(artifact_sha256) = 64),
    -- what it was registered as: to be in force, or to be compared only
    role text not null default 'champion'
    check (role in ('champion', 'challenger')),
    -- null where it was not counted yet
    training_patients bigint,
    -- by hazard and candidate, the cross-validated figures
    candidates jsonb not null default '{}',
    -- by hazard, the candidate it is made of
    chosen jsonb not null default '{}'
);
-- For the models of warehouses that are older than these columns.
alter table raw.model_registry
add column if not exists role text not null default 'champion'
check (role in ('champion', 'challenger')),
add column if not exists training_patients bigint,
add column if not exists candidates jsonb not null default '{}',
add column if not exists chosen jsonb not null default '{}';
create unique index if not exists model_registry_one_champion
on raw.model_registry (target) where is_champion;

-- When which model was in force: a version may come back, for another term.
create table if not exists raw.model_terms (
    target text not null,
    model_version text not null references raw.model_registry (model_version),
    promoted_at timestamptz not null,
    retired_at timestamptz check (retired_at >= promoted_at),
    primary key (target, promoted_at)
);
create unique index if not exists model_terms_one_in_force
on raw.model_terms (target) where retired_at is null;
insert into raw.model_terms (target, model_version, promoted_at)
select target, model_version, trained_at
from raw.model_registry
where is_champion
on conflict do nothing;

-- What a model computes, hazard by hazard: what each feature adds to the log-odds.
-- A curve has points at its knots and is straight between them; steps end at their
-- edges, the value included, and the last has none; a code stands for itself. A
-- point of the same part that is nowhere is for a missing value or an unknown code.
create table if not exists raw.model_curves (
    model_version text not null references raw.model_registry (model_version),
    feature_id smallint not null,
    hazard smallint not null,
    part text not null check (part in ('curve', 'steps', 'code')),
    -- 0 for a missing value or an unknown code, else from 1 in order of lies_at
    place smallint not null check (place >= 0),
    -- in the feature's unit; infinity for what is above the last edge
    lies_at double precision check ((lies_at is null) = (place = 0)),
    log_odds double precision not null,
    primary key (model_version, feature_id, hazard, part, place)
);

-- The scoring ledger: append-only, one batch a run, one transaction a batch.
create table if not exists raw.prediction_batches (
    batch_id bigint generated always as identity primary key,
    target text not null,
    model_version text not null references raw.model_registry (model_version),
    scored_at timestamptz not null,
    row_count bigint not null,
    -- how far intake had come that scored somebody; null where a build did
    intake_entry_id bigint,
    -- by which arithmetic; two agree but for the last digits
    scored_in text not null default 'python'
    check (scored_in in ('python', 'database'))
);

-- No foreign key to the batch: checking it row by row took 11 of 13 seconds for
-- three million rows. The ledger writes a batch and its rows in one transaction,
-- nobody else writes here, and a dbt test compares the two.
create table if not exists raw.predictions (
    batch_id bigint not null,
    patient_id bigint not null,
    -- of the 27 features the score was made from: the same hash, the same score
    features_hash bigint not null,
    score double precision not null,
    reason_1_contribution double precision not null,
    reason_2_contribution double precision not null,
    reason_3_contribution double precision not null,
    -- the feature's value that the score was made from; NaN where missing
    reason_1_value double precision not null,
    reason_2_value double precision not null,
    reason_3_value double precision not null,
    window_days smallint not null,
    reason_1_feature_id smallint not null,
    reason_2_feature_id smallint not null,
    reason_3_feature_id smallint not null,
    primary key (patient_id, window_days, batch_id)
);
-- For the rows of warehouses that are older than these columns: nobody kept them.
alter table raw.predictions
add column if not exists reason_1_value double precision not null default 'NaN',
add column if not exists reason_2_value double precision not null default 'NaN',
add column if not exists reason_3_value double precision not null default 'NaN';
-- For a replay: a batch lies in one piece, so that a few pages say where it is.
create index if not exists predictions_batch
on raw.predictions using brin (batch_id);

-- What a batch was scored from, so that it can be scored again: the features of
-- the readmission model, NaN where missing. Wide columns first, for want of gaps.
create table if not exists raw.scored_features (
    batch_id bigint not null,
    patient_id bigint not null,
    days_since_last_admission double precision not null,
    annual_cost double precision not null,
    cost_percentile double precision not null,
    inpatient_cost double precision not null,
    frailty_score double precision not null,
    complexity_index double precision not null,
    age integer not null,
    total_admissions integer not null,
    total_hospital_days integer not null,
    total_outpatient_visits integer not null,
    is_female smallint not null,
    is_elderly smallint not null,
    race_code smallint not null,
    has_esrd smallint not null,
    has_alzheimers smallint not null,
    has_chf smallint not null,
    has_ckd smallint not null,
    has_cancer smallint not null,
    has_copd smallint not null,
    has_depression smallint not null,
    has_diabetes smallint not null,
    has_ischemic_heart smallint not null,
    has_ra_oa smallint not null,
    has_stroke smallint not null,
    recent_admission smallint not null,
    high_outpatient_user smallint not null,
    high_cost smallint not null,
    primary key (batch_id, patient_id)
);

-- Of each feature and score a model was trained on, how many rows were in which
-- bin: a range (from lower_bound to below upper_bound), a value, any other value,
-- or none.
create table if not exists raw.training_distribution (
    model_version text not null references raw.model_registry (model_version),
    feature_name text not null,
    bin smallint not null,
    bin_kind text not null check (bin_kind in ('missing', 'range', 'value', 'other')),
    lower_bound double precision,
    upper_bound double precision,
    patient_count bigint not null,
    primary key (model_version, feature_name, bin),
    check ((bin_kind in ('range', 'value')) = (num_nulls(lower_bound, upper_bound) = 0))
);

-- The same of a whole cohort, scored just now or before: as of the batch that was
-- the latest then.
create table if not exists raw.batch_distribution (
    batch_id bigint not null references raw.prediction_batches (batch_id),
    load_id bigint not null,
    feature_name text not null,
    bin smallint not null,
    patient_count bigint not null,
    primary key (batch_id, load_id, feature_name, bin)
);

-- One row per `riskmart build`: from what, by whom, and what became of it. The
-- tables of a published or retired build are in schema build_<build_id>.
create table if not exists raw.builds (
    build_id bigint generated always as identity primary key,
    status text not null check (
        status in (
            'building', 'failed', 'abandoned', 'candidate',
            'published', 'retired', 'dropped'
        )
    ),
    started_at timestamptz not null default clock_timestamp(),
    -- when everything was written and tested, or had failed
    finished_at timestamptz,
    published_at timestamptz,
    retired_at timestamptz,
    -- what readers had before it was first published: the way back
    replaced_build_id bigint,
    built_by text not null,
    riskmart_version text not null,
    git_commit text,
    project_fingerprint text not null,
    inputs jsonb not null,
    model_version text,
    row_counts jsonb,
    test_count integer,
    failures text,
    -- how far it holds what was handed in (raw.new_patients.entry_id)
    intake_entry_id bigint not null default 0,
    -- which SQL made its features
    feature_version text
);
-- For the builds of warehouses that are older than these columns.
alter table raw.builds
add column if not exists intake_entry_id bigint not null default 0,
add column if not exists feature_version text;
create unique index if not exists builds_one_published
on raw.builds (status) where status = 'published';
create unique index if not exists builds_one_candidate
on raw.builds (status) where status = 'candidate';

-- Evaluations: how a model did on a cohort, append-only, each in one transaction.
-- A cohort whose outcomes nobody knows has a line as well, and no figures.
create table if not exists raw.evaluations (
    evaluation_id bigint generated always as identity primary key,
    target text not null,
    model_version text not null references raw.model_registry (model_version),
    -- of the model's file when it was evaluated; null where there was none
    artifact_sha256 text,
    load_id bigint not null,
    org_code text not null,
    as_of_date date not null,
    status text not null check (status in ('evaluated', 'not_evaluated')),
    reason text,
    patient_count bigint not null,
    -- of scores, outcomes, groups and rules: the same hash, the same figures
    scores_sha256 text,
    evaluated_at timestamptz not null default clock_timestamp(),
    check ((status = 'evaluated') = (scores_sha256 is not null)),
    check ((status = 'not_evaluated') = (reason is not null))
);

-- A figure is null where too few people, or people of one kind only, give none.
create table if not exists raw.evaluation_metrics (
    evaluation_id bigint not null references raw.evaluations (evaluation_id),
    window_days smallint not null,
    group_name text not null,
    group_value text not null,
    metric text not null,
    value double precision,
    lower double precision,
    upper double precision,
    patient_count bigint not null,
    event_count bigint not null,
    is_small boolean not null,
    primary key (evaluation_id, window_days, group_name, group_value, metric)
);

create table if not exists raw.evaluation_bins (
    evaluation_id bigint not null references raw.evaluations (evaluation_id),
    window_days smallint not null,
    bin_type text not null check (bin_type in ('tier', 'decile')),
    bin smallint not null,
    patient_count bigint not null,
    expected_rate double precision,
    event_count bigint not null,
    observed_rate double precision,
    lower double precision,
    upper double precision,
    -- of a tier's observed rate, wide enough for all tiers and windows together
    gate_lower double precision,
    gate_upper double precision,
    group_name text not null default 'all',
    group_value text not null default 'all',
    primary key (
        evaluation_id, window_days, group_name, group_value, bin_type, bin
    )
);

create table if not exists raw.evaluation_thresholds (
    evaluation_id bigint not null references raw.evaluations (evaluation_id),
    window_days smallint not null,
    threshold double precision not null,
    flagged_count bigint not null,
    sensitivity double precision,
    specificity double precision,
    ppv double precision,
    lift double precision,
    net_benefit double precision,
    net_benefit_all double precision,
    group_name text not null default 'all',
    group_value text not null default 'all',
    primary key (evaluation_id, window_days, group_name, group_value, threshold)
);
-- For the evaluations of warehouses that are older than groups here: of everyone.
do $$
begin
    if not exists (
        select
        from pg_attribute
        where attrelid = 'raw.evaluation_bins'::regclass and attname = 'bin_type'
    ) then
        alter table raw.evaluation_bins rename column group_name to bin_type;
        alter table raw.evaluation_bins
        drop constraint evaluation_bins_pkey,
        add column group_name text not null default 'all',
        add column group_value text not null default 'all',
        add primary key (
            evaluation_id, window_days, group_name, group_value, bin_type, bin
        );
        alter table raw.evaluation_thresholds
        drop constraint evaluation_thresholds_pkey,
        add column group_name text not null default 'all',
        add column group_value text not null default 'all',
        add primary key (
            evaluation_id, window_days, group_name, group_value, threshold
        );
    end if;
end
$$;

-- Every record of a new patient as it was received, whatever it says. Any program
-- may add to it; what has no outcome yet waits for `riskmart serve-intake`.
create table if not exists raw.new_patient_raw_input (
    input_id bigint generated always as identity primary key,
    submission_id uuid not null default gen_random_uuid(),
    position integer not null default 1,
    content bytea not null,
    source_system text,
    received_at timestamptz not null default clock_timestamp(),
    processed_at timestamptz,
    outcome text check (outcome in ('accepted', 'unchanged', 'rejected')),
    -- field, value, expected
    faults jsonb,
    -- that `content` is encrypted under (Fernet); null where it is plain
    key_fingerprint text,
    -- for the policy on it (access/protection.py)
    submitted_by text not null default session_user,
    unique (submission_id, position),
    check ((outcome is null) = (processed_at is null)),
    check ((coalesce(outcome, '') = 'rejected') = (faults is not null))
);
create index if not exists new_patient_raw_input_waiting
on raw.new_patient_raw_input (input_id) where processed_at is null;

-- What the accepted ones say. A person's later record corrects the earlier one, and
-- both stay.
create table if not exists raw.new_patients (
    input_id bigint primary key references raw.new_patient_raw_input (input_id),
    org_code text not null,
    external_id text not null,
    source_system text not null,
    index_date date not null,
    birth_date date,
    age smallint,
    is_female smallint not null,
    race_code smallint not null,
    has_esrd smallint not null,
    has_alzheimers smallint not null,
    has_chf smallint not null,
    has_ckd smallint not null,
    has_cancer smallint not null,
    has_copd smallint not null,
    has_depression smallint not null,
    has_diabetes smallint not null,
    has_ischemic_heart smallint not null,
    has_ra_oa smallint not null,
    has_stroke smallint not null,
    total_admissions integer not null,
    total_hospital_days integer not null,
    last_admission_date date,
    total_outpatient_visits integer not null,
    annual_cost double precision not null,
    inpatient_cost double precision not null,
    received_at timestamptz not null,
    -- in the order of entry: whoever enters holds a lock until it is committed
    entry_id bigint generated always as identity,
    check (num_nulls(birth_date, age) = 1)
);
create index if not exists new_patients_person
on raw.new_patients (org_code, external_id, index_date, input_id);
-- For the records of warehouses that are older than these columns.
alter table raw.new_patients
add column if not exists entry_id bigint generated always as identity;
alter table raw.new_patient_raw_input
add column if not exists key_fingerprint text,
add column if not exists submitted_by text not null default session_user;
create unique index if not exists new_patients_entry on raw.new_patients (entry_id);

-- Which SQL made a person's features, from which record and among whose costs.
create table if not exists raw.patient_feature_engineering_log (
    input_id bigint not null references raw.new_patients (input_id),
    reference_load_id bigint not null,
    feature_version text not null,
    patient_id bigint not null,
    build_id bigint not null,
    engineered_at timestamptz not null default now(),
    primary key (input_id, reference_load_id, feature_version)
);

-- The models that a new patient passes through, as each build was made by them.
create table if not exists raw.intake_steps (
    build_id bigint not null references raw.builds (build_id),
    position integer not null,
    name text not null,
    kind text not null,
    relation text not null,
    columns text [] not null,
    key_columns text [] not null,
    statement text not null,
    primary key (build_id, position)
);

-- For the batches of warehouses that are older than these columns.
alter table raw.prediction_batches
add column if not exists intake_entry_id bigint,
add column if not exists scored_in text not null default 'python'
check (scored_in in ('python', 'database'));

-- Scores that intake made say up to whom. A build reads those of before it began
-- alone, so that all its parts go by the same; everybody else reads all.
create or replace view raw.visible_batches with (security_invoker = true) as
select
    batch_id,
    target,
    model_version,
    scored_at,
    row_count
from raw.prediction_batches
where
    intake_entry_id is null
    or intake_entry_id <= coalesce(
        (
            select max(builds.intake_entry_id)
            from raw.builds
            where builds.status = 'building'
        ),
        9223372036854775807
    );

-- Somebody may say anything of when a record was received.
do $$
begin
    if not exists (
        select
        from pg_constraint
        where conname = 'new_patient_raw_input_received_at_check'
    ) then
        alter table raw.new_patient_raw_input
        add constraint new_patient_raw_input_received_at_check
        check (isfinite(received_at));
    end if;
end
$$;

-- New numbers follow the last one of everybody, also of people whom whoever takes
-- somebody in may not see.
create or replace function raw.last_patient_id() returns bigint
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return (select coalesce(max(patient_id), 0) from raw.patient_registry);
end
$$;
revoke all on function raw.last_patient_id() from public;

-- How far a build holds what was entered; never further than that goes.
create or replace function raw.note_intake(build bigint, entry bigint) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    update raw.builds
    set intake_entry_id = greatest(intake_entry_id, least(
        entry, (select coalesce(max(entry_id), 0) from raw.new_patients)
    ))
    where build_id = build;
end
$$;
revoke all on function raw.note_intake(bigint, bigint) from public;

-- Who is in a care programme, as files said it: one line for each file that changed
-- something, and the people.
create table if not exists raw.enrolment_loads (
    load_id bigint generated always as identity primary key,
    org_code text not null,
    programme_code text not null,
    content_sha256 text not null check (length(content_sha256) = 64),
    file text not null,
    row_count bigint not null,
    rejected_count bigint not null,
    loaded_at timestamptz not null default now()
);

-- left_on is null for who is still in it; load_id is that of the last file that said so.
create table if not exists raw.programme_enrolments (
    org_code text not null,
    external_id text not null,
    programme_code text not null,
    enrolled_on date not null,
    left_on date check (left_on >= enrolled_on),
    load_id bigint not null references raw.enrolment_loads (load_id),
    primary key (org_code, external_id, programme_code, enrolled_on)
);

-- By which rules a cohort's first scores are projected, and who of it is a control: those
-- of the build in which readers first had it, whatever became of the rules since. Written
-- once a cohort, when that build is published; by the day, since a cohort that is loaded
-- again with its outcomes is the same one. No row of a person.
create table if not exists raw.cohort_rules (
    org_code text not null,
    as_of_date date not null,
    build_id bigint not null references raw.builds (build_id),
    risk_tier smallint not null,
    lower_bound double precision not null,
    upper_bound double precision not null,
    -- the tier that its upper bound belongs to
    is_top boolean not null,
    prediction_window text not null,
    window_days smallint not null,
    intervention_cost double precision not null,
    success_rate double precision not null,
    addressable_share double precision not null,
    holdout_share double precision not null,
    holdout_salt text not null,
    primary key (org_code, as_of_date, risk_tier, prediction_window)
);
