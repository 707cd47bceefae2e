"""SNS topics: is there somebody who gets what is published, and does it arrive."""
