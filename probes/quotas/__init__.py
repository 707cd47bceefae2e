"""Service quotas: how much of what AWS allows the account is used."""
