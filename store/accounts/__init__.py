"""Who may use the gateway, and what they did: merchants, users, keys, second factors, the audit log."""
