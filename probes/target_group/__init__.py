"""Target groups of load balancers."""
