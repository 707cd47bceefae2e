"""One way to do a step for each kind. Each gives a `Result` or raises."""
