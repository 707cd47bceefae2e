"""What somebody changed in a place: CloudTrail and the services' own histories as one feed."""
