"""Application and network load balancers."""
