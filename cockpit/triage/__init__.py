"""What is wrong: targets, probes, findings, the board."""
