"""The embedded shop of the demo and the drills, which can be broken."""
