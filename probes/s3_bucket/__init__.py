"""S3 buckets: who can read them that should not, who cannot that should, and what protects them."""
