"""Web ACLs of AWS WAF: whom they block, and who sends most of what comes."""
