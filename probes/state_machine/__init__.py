"""State machines of Step Functions."""
