"""Who may do what: tokens with scopes and tenants, the gate in front of every call, and its audit lines."""
