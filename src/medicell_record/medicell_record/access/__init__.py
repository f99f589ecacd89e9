"""Who may do what: roles, the table of permissions, the accounts of a cell."""
