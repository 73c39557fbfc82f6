{{ config(severity='warn') }}

-- A loaded file's own derived columns differ from ours. Ours are used; the team
-- should know that another definition is about.

{{ reconcile_reported('<> 0') }}
