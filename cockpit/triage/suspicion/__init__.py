"""The rule that names prime suspects: pure, and explained by its own words (docs/suspects.md)."""
