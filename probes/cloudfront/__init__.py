"""Distributions of CloudFront."""
