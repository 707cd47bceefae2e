"""What to do: runbooks, plans, approvals, outcomes."""
