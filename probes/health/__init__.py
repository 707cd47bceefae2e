"""AWS Health: what AWS itself says is wrong or will be done."""
