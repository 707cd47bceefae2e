"""One series of CloudWatch."""
