-- The derived columns that the baseline file carries are what ours come to.

{{ reconcile_reported('= 0') }}
