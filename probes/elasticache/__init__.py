"""ElastiCache, seen from its control plane."""
