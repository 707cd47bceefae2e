"""Service level objectives, and how fast their error budgets burn."""
