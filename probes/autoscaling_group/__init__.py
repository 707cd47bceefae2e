"""Auto Scaling groups of EC2 instances."""
