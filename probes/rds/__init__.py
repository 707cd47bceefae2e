"""RDS instances and clusters, seen from their control plane."""
