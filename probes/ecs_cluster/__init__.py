"""ECS clusters: their container instances and capacity providers."""
