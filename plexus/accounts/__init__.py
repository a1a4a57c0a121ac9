"""Who may call, and with which aliases."""
