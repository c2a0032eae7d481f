"""Accounts and their actions: merchants, users, keys, second factors, the audit log."""
