"""Users, roles and root: what they do, who else does it, and how a stolen key is stopped."""
