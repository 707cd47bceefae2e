"""What runbooks said, and did."""
