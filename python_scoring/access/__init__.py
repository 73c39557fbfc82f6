"""Who may see what: roles, row-level security, and who belongs where."""
